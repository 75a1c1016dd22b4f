//! Arithmetic on positions, and decoding that never throws.

import { type MessageType, WireError } from "@tenon/wire";

/** Largest u64. */
export const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** The larger position. */
export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
/** The smaller position. */
export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
/** a - b, but not below 0. */
export const minus = (a: bigint, b: bigint): bigint => (a > b ? a - b : 0n);
/** Order of two positions, for sort. */
export const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** True if the bytes are equal. */
export const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at]);

/** The message, or `undefined` if the bytes are no such message. */
export function tryDecode<T>(type: MessageType<T>, bytes: Uint8Array): T | undefined {
  try {
    return type.decode(bytes);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** Cuts a list into pieces of at most `size`. */
export function pieces<T>(list: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let at = 0; at < list.length; at += size) out.push(list.slice(at, at + size));
  return out;
}
