//! A link to hand on: as a picture to scan, as text to copy, and through the system's share sheet.

import { useMemo, useRef, useState } from "react";
import { Icon } from "../views/icon.js";
import { isLoopback, shareable } from "./checks.js";
import { drawQr } from "./qr.js";
import { useFirstWords } from "./words.js";

function Qr({ text, label }: { readonly text: string; readonly label: string }) {
  const { side, path } = useMemo(() => drawQr(text), [text]);
  return (
    <svg className="qr" viewBox={`0 0 ${side} ${side}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <rect width={side} height={side} fill="#ffffff" />
      <path d={path} fill="#000000" />
    </svg>
  );
}

/** Shows `link` as this browser reaches the server. */
export function LinkCard({ link }: { readonly link: string }) {
  const words = useFirstWords();
  const field = useRef<HTMLInputElement>(null);
  const [told, setTold] = useState<"copied" | "copyFailed">();
  const shown = shareable(link, location.href);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(shown);
      setTold("copied");
    } catch {
      // Without TLS browsers give pages no clipboard; a selection can still be copied.
      field.current?.select();
      setTold(document.execCommand("copy") ? "copied" : "copyFailed");
    }
  };
  return (
    <div className="link-card">
      <Qr text={shown} label={words("qrOf")} />
      <input ref={field} className="link-text" value={shown} readOnly aria-label={words("link")} onFocus={(event) => event.target.select()} />
      <div className="link-buttons">
        <button type="button" className="button is-main" onClick={() => void copy()}>
          <Icon name={told === "copied" ? "check" : "copy"} size={18} />
          {words(told === "copied" ? "copied" : "copyLink")}
        </button>
        {typeof navigator.share === "function" && (
          <button type="button" className="button" onClick={() => void navigator.share({ url: shown }).catch(() => undefined)}>
            {words("shareLink")}
          </button>
        )}
      </div>
      <p className="sr-only" role="status">
        {told === "copied" && words("copied")}
      </p>
      {told === "copyFailed" && <p className="link-note">{words("copyFailed")}</p>}
      {isLoopback(shown) && <p className="link-note">{words("onlyHere")}</p>}
    </div>
  );
}
