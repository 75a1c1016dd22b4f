//! Tenon's stores as React hooks.
//!
//! Takes a client of `@tenon/client`, gives what it holds: every hook is `useSyncExternalStore` over a store of the client,
//! so nothing is copied into components, nothing tears, and StrictMode may do everything twice. Not here: what anything
//! looks like.

import { type Client, type Connection, type ListLine, type Mention, type Outgoing, type Person, type Readable, Refused, textMessage, type Thread, type ThreadView, type TimelineView, type Timeline, Value } from "@tenon/client";
import type { Member, MessageRow } from "@tenon/wire";
import { createContext, createElement, type ReactNode, useCallback, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";

const Context = createContext<Client | undefined>(undefined);

/** Gives a client to the hooks below it. */
export function TenonProvider({ client, children }: { readonly client: Client; readonly children?: ReactNode }) {
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the provider above. @throws if there is none */
export function useClient(): Client {
  const client = useContext(Context);
  if (client === undefined) throw new Error("no TenonProvider above this component");
  return client;
}

/** The present value of a store; the component is drawn again when it changes. */
export const useReadable = <T>(store: Readable<T>): T => useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);

/** How the client stands to the server: state, reason, when the next try is due. */
export const useConnectionState = (): Connection => useReadable(useClient().status);

/** Which lines of the list. */
export interface ConversationsOptions {
  /** Only these; keep the function the same between drawings. */
  readonly filter?: (line: ListLine) => boolean;
  /** Lines at first, and with every `loadMore`; all of them unless told. */
  readonly window?: number;
}

/** A part of the list. */
export interface Conversations {
  /** Pinned first, then newest first. */
  readonly lines: readonly ListLine[];
  /** All that match, shown or not. */
  readonly total: number;
  /** False while the list is still being read. */
  readonly isComplete: boolean;
  readonly loadMore: () => void;
}

/** The conversation list. */
export function useConversations({ filter, window = Number.POSITIVE_INFINITY }: ConversationsOptions = {}): Conversations {
  const client = useClient();
  const all = useReadable(client.conversations);
  const isComplete = useReadable(client.isListComplete);
  const [pages, setPages] = useState(1);
  const loadMore = useCallback(() => setPages((held) => held + 1), []);
  return useMemo(() => {
    const matching = filter ? all.filter(filter) : all;
    return { lines: matching.slice(0, window * pages), total: matching.length, isComplete, loadMore };
  }, [all, filter, window, pages, isComplete, loadMore]);
}

/** One line of the list; `undefined` while the user is no member. */
export const useConversation = (conv: bigint): ListLine | undefined => useReadable(useClient().conversation(conv));

/** Up to where the other one of a direct conversation has read; 0 = nothing, and in every group. */
export const usePeerRead = (conv: bigint): bigint => useConversation(conv)?.peerReadSeq ?? 0n;

/** A user; the name is empty until it is known. */
export const usePerson = (user: bigint): Person => useReadable(useClient().people.person(user));

/** Members of a group, empty until they are read. */
export const useMembers = (conv: bigint): readonly Member[] => useReadable(useClient().members(conv));

/** What is not read. */
export interface Unread {
  /** Messages, of one conversation or of all that are not muted. */
  readonly count: bigint;
  /** Conversations with something unread. */
  readonly conversations: number;
  /** The user was mentioned above the read mark. */
  readonly isMentioned: boolean;
}

const noLine = new Value<ListLine | undefined>(undefined);

/** Unread messages of one conversation, or of all together; of all also while only the first lines of the list are read. */
export function useUnread(conv?: bigint): Unread {
  const client = useClient();
  const line = useReadable(conv === undefined ? noLine : client.conversation(conv));
  const totals = useReadable(client.totals);
  const mine = line !== undefined && !line.summary?.hidden && line.unread > 0n ? line : undefined;
  const count = conv === undefined ? totals.count : (mine?.unread ?? 0n);
  const conversations = conv === undefined ? totals.conversations : mine ? 1 : 0;
  const isMentioned = conv === undefined ? totals.mentions > 0 : mine !== undefined && mine.mentionSeq > mine.readSeq;
  return useMemo(() => ({ count, conversations, isMentioned }), [count, conversations, isMentioned]);
}

/** A message window and what is on its way out. */
export interface Messages {
  /** By rising seq. */
  readonly rows: readonly MessageRow[];
  /** Own messages without a place yet, by the order of sending; those with a `failedCode` wait for the user. */
  readonly outgoing: readonly Outgoing[];
  readonly isLoading: boolean;
  /** Nothing visible lies above the first row. */
  readonly isFloor: boolean;
  /** Nothing lies below the last row but what is on its way out; false after a jump away from the newest messages. */
  readonly isTip: boolean;
  /** False while the rows are only what happens to be stored. */
  readonly isVerified: boolean;
  /** Reads one page above; resolves when it is shown. */
  readonly loadOlder: () => Promise<void>;
  /** Reads one page below a window that jumped away; resolves when it is shown. */
  readonly loadNewer: () => Promise<void>;
  /** Moves the window to a message; false if its page cannot be had now. Rows come in one piece: there is never a hole. */
  readonly jumpTo: (seq: bigint) => Promise<boolean>;
  /** Moves the window back to the newest messages. */
  readonly toTip: () => Promise<void>;
  /** The user has read up to here. */
  readonly markRead: (seq: bigint) => void;
}

const nothing = new Value<TimelineView>({ rows: [], outgoing: [], isFloor: false, isTip: true, isLoading: true, isVerified: false });

/** A window of messages, as long as the component is on the screen: the newest ones, or those around the message `at`, to
 * which it goes again when `at` changes. */
export function useMessages(conv: bigint, at = 0n): Messages {
  const client = useClient();
  const [timeline, setTimeline] = useState<Timeline>();
  useEffect(() => {
    setTimeline(client.openTimeline(conv));
    return () => client.closeTimeline(conv);
  }, [client, conv]);
  // Between two conversations the window of the old one must not be shown as that of the new one.
  const isCurrent = timeline?.conv === conv;
  // A message that this device has not heard of yet, as from a notice, is gone to once it has.
  const tipSeq = useConversation(conv)?.tipSeq ?? 0n;
  const isKnown = at > 0n && at <= tipSeq;
  useEffect(() => {
    if (isCurrent && isKnown) void timeline.jumpTo(at);
  }, [timeline, isCurrent, isKnown, at]);
  const view = useReadable(isCurrent ? timeline.view : nothing);
  const loadOlder = useCallback(() => timeline?.loadOlder() ?? Promise.resolve(), [timeline]);
  const loadNewer = useCallback(() => timeline?.loadNewer() ?? Promise.resolve(), [timeline]);
  const jumpTo = useCallback(async (seq: bigint) => (await timeline?.jumpTo(seq)) ?? false, [timeline]);
  const toTip = useCallback(() => timeline?.toTip() ?? Promise.resolve(), [timeline]);
  const markRead = useCallback((seq: bigint) => client.markRead(conv, seq), [client, conv]);
  return useMemo(() => ({ ...view, loadOlder, loadNewer, jumpTo, toTip, markRead }), [view, loadOlder, loadNewer, jumpTo, toTip, markRead]);
}

/** A message and everything that answers it. */
export interface ThreadMessages extends ThreadView {
  /** Looks through the next stretch of the archive once `state` is `paused` or `failed`; resolves when it is shown. */
  readonly look: () => Promise<void>;
}

const noThread = new Value<ThreadView>({ rootSeq: 0n, root: undefined, rows: [], outgoing: [], state: "looking", lookedTo: 0n, lookedToMs: 0 });

/** The thread of the message `seq`, first or any answer, as long as the component is on the screen. */
export function useThread(conv: bigint, seq: bigint): ThreadMessages {
  const client = useClient();
  const [opened, setOpened] = useState<{ readonly conv: bigint; readonly seq: bigint; readonly thread: Thread }>();
  useEffect(() => {
    const thread = client.openTimeline(conv).openThread(seq);
    setOpened({ conv, seq, thread });
    return () => {
      thread.close();
      client.closeTimeline(conv);
    };
  }, [client, conv, seq]);
  // The answers to one message must not be shown as those to the next.
  const thread = opened?.conv === conv && opened.seq === seq ? opened.thread : undefined;
  const view = useReadable(thread?.view ?? noThread);
  const look = useCallback(() => thread?.look() ?? Promise.resolve(), [thread]);
  return useMemo(() => ({ ...view, look }), [view, look]);
}

/** What a text message may carry. */
export interface SendOptions {
  readonly replyTo?: bigint;
  readonly mentions?: readonly Mention[];
}

/** Ways to write into a conversation. `error` is the last refusal that happened at once, until the next try. */
export interface Sending {
  /** Resolves with the local id once the message is durable on this device, also without a network. @throws Refused */
  readonly send: (text: string, options?: SendOptions) => Promise<bigint>;
  readonly edit: (seq: bigint, text: string, options?: Pick<SendOptions, "mentions">) => Promise<void>;
  readonly recall: (seq: bigint) => Promise<void>;
  readonly react: (seq: bigint, code: string, on: boolean) => Promise<void>;
  readonly retry: (local: bigint) => Promise<void>;
  readonly discard: (local: bigint) => Promise<void>;
  readonly typing: () => void;
  readonly error: Refused | undefined;
}

/** Sends into a conversation. */
export function useSend(conv: bigint): Sending {
  const client = useClient();
  const [error, setError] = useState<Refused>();
  return useMemo(() => {
    const tried = async <T>(doing: Promise<T>): Promise<T> => {
      setError(undefined);
      try {
        return await doing;
      } catch (fault) {
        if (fault instanceof Refused) setError(fault);
        throw fault;
      }
    };
    return {
      send: (text, { replyTo = 0n, mentions = [] } = {}) => tried(client.send(textMessage(conv, text, mentions, replyTo))),
      edit: (seq, text, { mentions = [] } = {}) => tried(client.edit(conv, seq, textMessage(conv, text, mentions))),
      recall: (seq) => tried(client.recall(conv, seq)),
      react: (seq, code, on) => tried(client.react(conv, seq, code, on)),
      retry: (local) => tried(client.retry(local)),
      discard: (local) => tried(client.discard(local)),
      typing: () => client.typing(conv),
      error,
    } satisfies Sending;
  }, [client, conv, error]);
}
