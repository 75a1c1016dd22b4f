//! Messages that are quoted but lie outside the window of the chat: each is read once, when a quote stands still on the screen.

import type { Client } from "@tenon/client";
import type { MessageRow } from "@tenon/wire";
import { useEffect, useState } from "react";
import { useClient } from "../hooks.js";

/** A quote that scrolls by faster is not read, milliseconds. */
const STILL_MS = 160;
/** Quotes kept. */
const KEPT_MAX = 1_000;

const held = new WeakMap<Client, Map<string, Promise<MessageRow | undefined>>>();

function read(client: Client, conv: bigint, seq: bigint): Promise<MessageRow | undefined> {
  const all = held.get(client) ?? new Map<string, Promise<MessageRow | undefined>>();
  held.set(client, all);
  const key = `${conv}/${seq}`;
  const known = all.get(key);
  if (known) return known;
  const asked = client.message(conv, seq).catch(() => {
    all.delete(key);
    return undefined;
  });
  all.set(key, asked);
  const oldest = all.size > KEPT_MAX ? all.keys().next().value : undefined;
  if (oldest !== undefined) all.delete(oldest);
  return asked;
}

/** The quoted message: `row` if the chat holds it, else what the server has. */
export function useQuoted(conv: bigint, seq: bigint, row: MessageRow | undefined): MessageRow | undefined {
  const client = useClient();
  const [found, setFound] = useState<MessageRow>();
  const isHeld = row !== undefined;
  useEffect(() => {
    if (isHeld || conv === 0n) return;
    let isCurrent = true;
    const timer = setTimeout(() => void read(client, conv, seq).then((one) => isCurrent && setFound(one)), STILL_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [client, conv, seq, isHeld]);
  return row ?? found;
}
