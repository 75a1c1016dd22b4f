//! The digest functions of the protocol: checks against faults, not against an attacker.

const MASK = 0xffff_ffff_ffff_ffffn;
/** Key of the first sum. */
export const K1 = 0x9e37_79b9_7f4a_7c15n;
/** Key of the second sum. */
export const K2 = 0xd1b5_4a32_d192_ed03n;

/** A bijective mix of 64 bits. */
export function mix64(value: bigint): bigint {
  let x = value & MASK;
  x ^= x >> 30n;
  x = (x * 0xbf58_476d_1ce4_e5b9n) & MASK;
  x ^= x >> 27n;
  x = (x * 0x94d0_49bb_1331_11ebn) & MASK;
  return x ^ (x >> 31n);
}

/** H(k, a, b), the term that digests sum. */
export const term = (key: bigint, a: bigint, b: bigint): bigint => mix64((mix64(a ^ key) + b) & MASK);

/** The term of one conversation in a list digest. */
export const listTerm = (conv: bigint, rev: bigint, convEpoch: number): bigint => term(K1, conv, rev ^ (BigInt(convEpoch) << 48n));

/** Sum of terms, in 64 bits. */
export const addTerm = (sum: bigint, next: bigint): bigint => (sum + next) & MASK;
