//! A growing buffer to write into and a cursor to read from.

import { WireError } from "./fault.js";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Bytes without any. */
export const EMPTY = new Uint8Array(0);

/** Joins byte strings. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** UTF-8 of a text. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** Appends numbers and bytes; doubles its buffer when it is full. */
export class Writer {
  private buffer = new Uint8Array(64);
  private view = new DataView(this.buffer.buffer);
  private at = 0;

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.at);
  }

  u8(value: number): void {
    this.room(1);
    this.buffer[this.at++] = value;
  }

  /** Unsigned LEB128 of a number up to 2^32 - 1. */
  varint32(value: number): void {
    this.room(5);
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.at++] = rest;
  }

  /** Unsigned LEB128 of a number up to 2^64 - 1. */
  varint64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    this.room(10);
    while (rest >= 0x80n) {
      this.buffer[this.at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.buffer[this.at++] = Number(rest);
  }

  fixed32(value: number): void {
    this.room(4);
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  fixed64(value: bigint): void {
    this.room(8);
    this.view.setBigUint64(this.at, BigInt.asUintN(64, value), true);
    this.at += 8;
  }

  double(value: number): void {
    this.room(8);
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  bytes(value: Uint8Array): void {
    this.room(value.length);
    this.buffer.set(value, this.at);
    this.at += value.length;
  }

  private room(more: number): void {
    if (this.at + more <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.at + more));
    grown.set(this.buffer.subarray(0, this.at));
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }
}

const malformed = () => new WireError("bad_message", "message does not decode");

/** Reads protobuf primitives; every read beyond the end is a `bad_message`. */
export class Reader {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly source: Uint8Array) {
    this.view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  }

  get done(): boolean {
    return this.at >= this.source.length;
  }

  /** A varint as a bigint below 2^64. */
  varint64(): bigint {
    let low = 0;
    let high = 0;
    for (let index = 0; index < 10; index++) {
      const byte = this.source[this.at++];
      if (byte === undefined) throw malformed();
      const part = byte & 0x7f;
      if (index < 4) low += part * 2 ** (7 * index);
      else if (index < 9) high += part * 2 ** (7 * (index - 4));
      else if (byte > 1) throw malformed();
      else return BigInt(low) + (BigInt(high) << 28n) + (BigInt(part) << 63n);
      if (byte < 0x80) return high === 0 ? BigInt(low) : BigInt(low) + (BigInt(high) << 28n);
    }
    throw malformed();
  }

  /** A varint cut to its low 32 bits, as protobuf reads a uint32. */
  varint32(): number {
    const first = this.source[this.at];
    if (first !== undefined && first < 0x80) {
      this.at++;
      return first;
    }
    return Number(this.varint64() & 0xffff_ffffn);
  }

  fixed32(): number {
    const at = this.skip(4);
    return this.view.getUint32(at, true);
  }

  fixed64(): bigint {
    const at = this.skip(8);
    return this.view.getBigUint64(at, true);
  }

  double(): number {
    const at = this.skip(8);
    return this.view.getFloat64(at, true);
  }

  /** Length-delimited bytes, sharing the buffer of the source. */
  bytes(): Uint8Array {
    const length = Number(this.varint64());
    const at = this.skip(length);
    return this.source.subarray(at, at + length);
  }

  string(): string {
    try {
      return decoder.decode(this.bytes());
    } catch {
      throw malformed();
    }
  }

  /** Passes over a field of an unknown number. */
  skipField(wire: number, depth: number): void {
    if (wire === 0) this.varint64();
    else if (wire === 1) this.skip(8);
    else if (wire === 2) this.bytes();
    else if (wire === 5) this.skip(4);
    else if (wire === 3 && depth > 0) this.skipGroup(depth - 1);
    else throw malformed();
  }

  private skipGroup(depth: number): void {
    for (;;) {
      const wire = this.varint32() & 7;
      if (wire === 4) return;
      this.skipField(wire, depth);
    }
  }

  private skip(length: number): number {
    const at = this.at;
    if (length > this.source.length - at) throw malformed();
    this.at = at + length;
    return at;
  }
}
