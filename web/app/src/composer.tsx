//! Where a message is written: grows with its text, names people by @, keeps a draft.

import { type ListLine, type Mention, textMessage } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useClient, usePerson, useWords } from "./hooks.js";
import { type Candidate, MentionMenu, useCandidates } from "./mention-menu.js";
import { oneLine } from "./preview.js";
import { keep, kept } from "./preferences.js";
import { wordOf } from "./refusal.js";
import type { Word } from "./words.js";
import { Icon } from "./views/icon.js";

export interface ComposerProps {
  readonly conv: bigint;
  readonly line: ListLine | undefined;
  readonly title: string;
  readonly replyTo: MessageRow | undefined;
  readonly onReplyDone: () => void;
  /** Answers go to this message; the draft is the thread's own. */
  readonly thread?: bigint;
}

/** The word after an @ right before the cursor, if one is being written. */
function mentionAt(text: string, cursor: number): { readonly start: number; readonly query: string } | undefined {
  const found = /(?:^|\s)@([^\s@]{0,30})$/.exec(text.slice(0, cursor));
  return found ? { start: cursor - (found[1] ?? "").length - 1, query: found[1] ?? "" } : undefined;
}

/** Every place where a chosen name still stands in the text. */
export function mentionsIn(text: string, chosen: readonly Candidate[]): Mention[] {
  const out: Mention[] = [];
  for (const { user, label } of [...chosen].sort((a, b) => b.label.length - a.label.length)) {
    const name = `@${label}`;
    for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + name.length)) {
      const overlaps = out.some((m) => at < m.start + m.len && m.start < at + name.length);
      if (!overlaps) out.push({ user, start: at, len: name.length });
    }
  }
  return out.sort((a, b) => a.start - b.start);
}

export function Composer({ conv, line, title, replyTo, onReplyDone, thread }: ComposerProps) {
  const client = useClient();
  const words = useWords();
  const draftKey = `tenon.draft/${client.me}/${conv}${thread === undefined ? "" : `/${thread}`}`;
  const [text, setText] = useState(() => kept(draftKey) ?? "");
  const [cursor, setCursor] = useState(0);
  const [chosen, setChosen] = useState<readonly Candidate[]>([]);
  const [picked, setPicked] = useState(0);
  const [fault, setFault] = useState<Word>();
  const area = useRef<HTMLTextAreaElement>(null);
  const asked = mentionAt(text, cursor);
  const candidates = useCandidates(conv, line, asked?.query);
  const isMenuOpen = asked !== undefined && candidates.length > 0;
  const menuId = `mentions-${conv}-${thread ?? 0n}`;

  useLayoutEffect(() => {
    const box = area.current;
    if (box === null) return;
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 220)}px`;
  }, [text]);
  useEffect(() => {
    const timer = setTimeout(() => keep(draftKey, text.trim() === "" ? undefined : text), 250);
    return () => clearTimeout(timer);
  }, [draftKey, text]);
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches || replyTo) area.current?.focus();
  }, [conv, replyTo]);

  const send = async () => {
    const clean = text.trim();
    if (clean === "") return;
    setText("");
    setChosen([]);
    setFault(undefined);
    keep(draftKey, undefined);
    onReplyDone();
    try {
      await client.send(textMessage(conv, clean, mentionsIn(clean, chosen), replyTo?.seq ?? thread ?? 0n));
    } catch (error) {
      setText(clean);
      setFault(wordOf(error));
    }
  };
  const pick = (candidate: Candidate) => {
    if (asked === undefined) return;
    const name = `@${candidate.label} `;
    const end = asked.start + name.length;
    setText(text.slice(0, asked.start) + name + text.slice(cursor));
    setChosen([...chosen.filter((c) => c.user !== candidate.user), candidate]);
    setCursor(end);
    requestAnimationFrame(() => area.current?.setSelectionRange(end, end));
    area.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const current = candidates[Math.min(picked, candidates.length - 1)];
    if (isMenuOpen && current) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        return setPicked((picked + (event.key === "ArrowDown" ? 1 : candidates.length - 1)) % candidates.length);
      }
      if (event.key === "Enter" || event.key === "Tab") {
        event.preventDefault();
        return pick(current);
      }
      if (event.key === "Escape") {
        event.preventDefault();
        return setCursor(0);
      }
    }
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      void send();
    } else if (event.key === "Escape" && replyTo) {
      event.preventDefault();
      onReplyDone();
    }
  };
  const follow = (box: HTMLTextAreaElement) => {
    setCursor(box.selectionStart);
    setPicked(0);
  };
  const hint = thread === undefined ? words("messageTo", { name: title }) : words("replyInThread");
  return (
    <div className="composer">
      {isMenuOpen && <MentionMenu id={menuId} candidates={candidates} picked={picked} onPick={pick} />}
      {replyTo && <ReplyTo row={replyTo} onCancel={onReplyDone} />}
      {fault && (
        <p className="composer-fault" role="alert">
          {words(fault)}
        </p>
      )}
      <div className="composer-box">
        <textarea
          ref={area}
          rows={1}
          value={text}
          placeholder={words("message")}
          aria-label={hint}
          aria-autocomplete="list"
          aria-controls={isMenuOpen ? menuId : undefined}
          aria-activedescendant={isMenuOpen ? `${menuId}-${picked}` : undefined}
          onChange={(e) => {
            setText(e.target.value);
            follow(e.target);
          }}
          onSelect={(e) => setCursor(e.currentTarget.selectionStart)}
          onKeyDown={onKeyDown}
        />
        <button type="button" className="send" aria-label={words("send")} title={words("send")} disabled={text.trim() === ""} onClick={() => void send()}>
          <Icon name="send" />
        </button>
      </div>
    </div>
  );
}

function ReplyTo({ row, onCancel }: { readonly row: MessageRow; readonly onCancel: () => void }) {
  const words = useWords();
  const sender = usePerson(row.sender);
  return (
    <div className="reply-to">
      <Icon name="reply" size={18} />
      <span>
        <strong>{words("replyingTo", { name: sender.name })}</strong>
        <span>{oneLine(row, words)}</span>
      </span>
      <button type="button" className="icon-button" aria-label={words("cancel")} onClick={onCancel}>
        <Icon name="close" size={18} />
      </button>
    </div>
  );
}
