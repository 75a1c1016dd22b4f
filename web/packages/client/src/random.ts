//! Randomness, as an argument: same inputs and same source give the same outputs.

import { K1, mix64 } from "./digest.js";

/** Where the engine draws from. */
export interface Random {
  /** A random number of 64 bits. */
  nextU64(): bigint;
}

/** The browser's source. */
export const cryptoRandom: Random = {
  nextU64: () => crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n,
};

/** A deterministic source for tests; the same numbers as the Rust one. */
export class SeededRandom implements Random {
  constructor(private state: bigint) {}

  nextU64(): bigint {
    this.state = (this.state + K1) & 0xffff_ffff_ffff_ffffn;
    return mix64(this.state);
  }
}
