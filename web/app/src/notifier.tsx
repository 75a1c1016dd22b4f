//! Notices of the system about messages that come while nobody looks, if the user wants them.

import type { Client, ClientEvents } from "@tenon/client";
import { flag } from "@tenon/wire";
import { useEffect } from "react";
import { go, useClient, useValue, useWords } from "./hooks.js";
import { isNotifying } from "./preferences.js";
import { oneLine } from "./preview.js";
import type { Places, Word } from "./words.js";

/** Between two notices of one conversation, milliseconds. */
const PACE_MS = 3_000;
/** How much the user wants to hear of a conversation, as the list has it. */
const NOTIFY = { ALL: 0, MENTIONS: 1, NONE: 2 } as const;

/** True if this message is one to tell the user about. */
export function isWorthTelling(notify: number, flags: number): boolean {
  if (notify === NOTIFY.NONE) return false;
  return notify === NOTIFY.ALL || (flags & (flag.MENTION_ME | flag.MENTION_ALL)) !== 0;
}

export function Notifier() {
  const client = useClient();
  const words = useWords();
  const isOn = useValue(isNotifying);
  useEffect(() => {
    if (!isOn || !("Notification" in globalThis)) return;
    const last = new Map<bigint, number>();
    return client.on("message", (message) => {
      const { conv, sender, flags } = message;
      if (sender === client.me || document.hasFocus() || Notification.permission !== "granted") return;
      if (!isWorthTelling(client.conversation(conv).get()?.summary?.notify ?? NOTIFY.ALL, flags)) return;
      const now = Date.now();
      if (now - (last.get(conv) ?? 0) < PACE_MS) return;
      last.set(conv, now);
      void show(client, message, words).catch(() => undefined);
    });
  }, [client, words, isOn]);
  return null;
}

async function show(client: Client, { conv, seq, sender }: ClientEvents["message"], words: (word: Word, places?: Places) => string): Promise<void> {
  const row = await client.message(conv, seq);
  const meta = client.conversation(conv).get()?.meta;
  const name = client.people.person(sender).get().name;
  const text = row ? oneLine(row, words) : words("notifiedMessage");
  const isGroup = meta !== undefined && meta.peer === 0n;
  const notice = new Notification(isGroup ? meta.title : name, { body: isGroup && name !== "" ? `${name}: ${text}` : text, tag: `${conv}`, icon: "/icon-192.png" });
  notice.onclick = () => {
    window.focus();
    go(conv);
    notice.close();
  };
}
