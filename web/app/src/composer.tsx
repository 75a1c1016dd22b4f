//! Where a message is written: grows with its text, names people by @, keeps a draft.

import { type ListLine, textMessage } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { draftKey, draftOf, mentionsIn, putDraft } from "./drafts.js";
import { useClient, usePerson, useWords } from "./hooks.js";
import { type Candidate, MentionMenu, useCandidates } from "./mention-menu.js";
import { oneLine } from "./preview.js";
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
  /** Who spoke last, latest first. */
  readonly speakers: readonly bigint[];
  /** A message is on its way. */
  readonly onSent?: () => void;
  /** The arrow key up in an empty field. */
  readonly onUp?: () => void;
}

/** Bytes of text that a message may have: the 32 KiB of a body less room for a hundred mentions. */
const BODY_MAX = 30_000;
/** The rest is counted from here on. */
const LEFT_SHOWN = 1_000;
/** A draft is kept this long after the last key, milliseconds. */
const DRAFT_MS = 250;

const encoder = new TextEncoder();
/** Bytes of a text; short texts are not counted exactly. */
const utf8Length = (text: string): number => (text.length * 3 < BODY_MAX - LEFT_SHOWN ? text.length : encoder.encode(text).length);

/** The word after an @ right before the cursor, if one is being written. */
function mentionAt(text: string, cursor: number): { readonly start: number; readonly query: string } | undefined {
  const found = /(?:^|\s)@([^\s@]{0,30})$/.exec(text.slice(0, cursor));
  return found ? { start: cursor - (found[1] ?? "").length - 1, query: found[1] ?? "" } : undefined;
}

export function Composer({ conv, line, title, replyTo, onReplyDone, thread, speakers, onSent, onUp }: ComposerProps) {
  const client = useClient();
  const words = useWords();
  const key = draftKey(client.me, conv, thread);
  const [text, setText] = useState(() => draftOf(key).get().text);
  const [cursor, setCursor] = useState(0);
  const [chosen, setChosen] = useState<readonly Candidate[]>(() => draftOf(key).get().names.map((one) => ({ ...one, hint: "" })));
  const [isNear, setNear] = useState(false);
  const [picked, setPicked] = useState(0);
  const [fault, setFault] = useState<Word>();
  const area = useRef<HTMLTextAreaElement>(null);
  /** Where the caret goes once the picked name stands in the text. */
  const caret = useRef<number | undefined>(undefined);
  const latest = useRef<{ text: string; names: readonly Candidate[] }>({ text, names: chosen });
  const asked = mentionAt(text, cursor);
  const candidates = useCandidates({ line, query: asked?.query, isNear, speakers });
  const isMenuOpen = asked !== undefined && candidates.length > 0;
  const menuId = `mentions-${conv}-${thread ?? 0n}`;

  useLayoutEffect(() => {
    const box = area.current;
    if (box === null) return;
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 220)}px`;
    // Before the next key: a caret that moves later would tear what is typed meanwhile apart.
    if (caret.current !== undefined) box.setSelectionRange(caret.current, caret.current);
    caret.current = undefined;
  }, [text]);
  useEffect(() => {
    latest.current = { text, names: chosen };
    const timer = setTimeout(() => putDraft(key, latest.current), DRAFT_MS);
    return () => clearTimeout(timer);
  }, [key, text, chosen]);
  // What was written in the last moment is kept too.
  useEffect(() => {
    const held = latest;
    const put = () => putDraft(key, held.current);
    addEventListener("pagehide", put);
    return () => {
      removeEventListener("pagehide", put);
      put();
    };
  }, [key]);
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches || replyTo) area.current?.focus();
  }, [conv, replyTo]);

  const left = BODY_MAX - utf8Length(text);
  const send = async () => {
    const clean = text.trim();
    if (clean === "" || left < 0) return;
    setText("");
    setChosen([]);
    setFault(undefined);
    latest.current = { text: "", names: [] };
    putDraft(key, latest.current);
    onReplyDone();
    onSent?.();
    try {
      await client.send(textMessage(conv, clean, mentionsIn(clean, chosen), replyTo?.seq ?? thread ?? 0n));
    } catch (error) {
      // What was written meanwhile stays below it.
      setText((now) => (now === "" ? clean : `${clean}\n${now}`));
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
    caret.current = end;
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
    } else if (event.key === "ArrowUp" && text === "" && onUp) {
      event.preventDefault();
      onUp();
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
          placeholder={thread === undefined ? words("message") : words("replyInThread")}
          aria-label={hint}
          dir="auto"
          aria-autocomplete="list"
          aria-invalid={left < 0}
          onFocus={() => setNear(true)}
          aria-controls={isMenuOpen ? menuId : undefined}
          aria-activedescendant={isMenuOpen ? `${menuId}-${picked}` : undefined}
          onChange={(e) => {
            setText(e.target.value);
            follow(e.target);
          }}
          onSelect={(e) => setCursor(e.currentTarget.selectionStart)}
          onKeyDown={onKeyDown}
        />
        {left < LEFT_SHOWN && (
          <span className={left < 0 ? "composer-left is-over" : "composer-left"} role="status" aria-label={words(left < 0 ? "tooLong" : "charactersLeft", { n: Math.abs(left) })}>
            {left}
          </span>
        )}
        <button type="button" className="send" aria-label={words("send")} title={words("send")} disabled={text.trim() === "" || left < 0} onClick={() => void send()}>
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
        <strong>
          <bdi>{words("replyingTo", { name: sender.name })}</bdi>
        </strong>
        <bdi>{oneLine(row, words)}</bdi>
      </span>
      <button type="button" className="icon-button" aria-label={words("cancel")} onClick={onCancel}>
        <Icon name="close" size={18} />
      </button>
    </div>
  );
}
