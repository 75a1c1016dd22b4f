//! Why received bytes are refused, and what a code asks of a device.

import { errorCode, type ErrorText } from "./gen/error.js";

/** Bytes that break the protocol; `code` is the text of the wire code that names it. */
export class WireError extends Error {
  constructor(
    readonly code: ErrorText,
    message: string,
    /** Wait this long before the next try, milliseconds; 0 = not said. */
    readonly afterMs = 0,
  ) {
    super(message);
    this.name = "WireError";
  }

  /** The number on the wire. */
  get number(): number {
    return errorCode[this.code];
  }
}

/** What a device does about an error; the thousands of its number, so an unknown code still has behaviour. */
export const ErrorClass = {
  RETRY: 1,
  LIMIT: 2,
  ROUTE: 3,
  AUTH: 4,
  RESYNC: 5,
  REJECT: 6,
  CLIENT: 7,
  UPGRADE: 8,
} as const;

/** The class of any code, known or not; `undefined` outside 1000 to 8999. */
export function classOf(code: number): number | undefined {
  const value = Math.floor(code / 1000);
  return value >= 1 && value <= 8 ? value : undefined;
}

const textByNumber = new Map<number, ErrorText>(
  Object.entries(errorCode).map(([text, number]) => [number, text as ErrorText]),
);

/** The text of a known code. */
export function textOf(code: number): ErrorText | undefined {
  return textByNumber.get(code);
}
