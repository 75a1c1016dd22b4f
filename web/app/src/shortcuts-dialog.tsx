//! The list of keyboard shortcuts.

import { useWords } from "./hooks.js";
import { keyHelp } from "./keys.js";
import { Dialog } from "./views/dialog.js";

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);
const nameOf = (key: string): string => (key === "Mod" ? (isMac ? "⌘" : "Ctrl") : key === "Alt" && isMac ? "⌥" : key);

export function ShortcutsDialog({ onClose }: { readonly onClose: () => void }) {
  const words = useWords();
  return (
    <Dialog title={words("shortcuts")} closeLabel={words("close")} onClose={onClose}>
      {keyHelp.map((group) => (
        <section key={group.title} className="keys">
          <h3>{words(group.title)}</h3>
          <dl>
            {group.keys.map(([keys, word]) => (
              <div key={word}>
                <dt>{words(word)}</dt>
                <dd>
                  {keys.split(" ").map((key) => (
                    <kbd key={key}>{nameOf(key)}</kbd>
                  ))}
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </Dialog>
  );
}
