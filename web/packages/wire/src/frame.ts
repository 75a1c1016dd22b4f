//! The frame: header, optional extensions, payload; bytes of a link in, frames out.
//!
//! ```text
//! b0:u8 | kind:u8 | id:varint32 | len:varint32 | [ext] | payload        len counts ext + payload
//! b0 = ver(2 bits, =1) | prio(2) | comp(2) | ext(1) | last(1)           most significant first
//! ext = total:varint32 | { tag:varint32 | n:varint32 | bytes[n] }*      total counts what follows it
//! ```
//!
//! Varints are unsigned LEB128 in their shortest form. All framing errors are fatal to the link.

import { concat, EMPTY, Writer } from "./bytes.js";
import { WireError } from "./fault.js";
import { kind } from "./gen/number.js";

/** One received or sent frame. `payload` and `ext` share the buffer of the link. */
export interface Frame {
  readonly kind: number;
  /** Pairs a frame with its answer; 0 = needs none. */
  readonly id: number;
  /** 0 control, 1 live, 2 normal, 3 bulk. */
  readonly prio: number;
  /** False in all pieces of a chunked response but the last. */
  readonly last: boolean;
  /** 0 none, 1 zstd, 2 deflate. */
  readonly comp: number;
  readonly payload: Uint8Array;
  /** The checked extension entries without their total; mostly empty. */
  readonly ext: Uint8Array;
}

/** What a reader accepts, in bytes, checked before anything is kept. */
export interface FrameLimits {
  readonly frameBytesMax: number;
  readonly helloBytesMax: number;
}

const HELLO_BYTES_MAX = 8 * 1024;
/** Largest frame from a device. */
export const FRAME_UP_BYTES_MAX = 64 * 1024;
/** Largest frame to a device. */
export const FRAME_DOWN_BYTES_MAX = 256 * 1024;

/** The limits of a server before login, after it, and of a device. */
export const frameLimits = {
  beforeLogin: { frameBytesMax: HELLO_BYTES_MAX, helloBytesMax: HELLO_BYTES_MAX },
  up: { frameBytesMax: FRAME_UP_BYTES_MAX, helloBytesMax: HELLO_BYTES_MAX },
  down: { frameBytesMax: FRAME_DOWN_BYTES_MAX, helloBytesMax: HELLO_BYTES_MAX },
} as const satisfies Record<string, FrameLimits>;

const KNOWN = new Set<number>(Object.values(kind));
const LIVE = new Set<number>([kind.SEND, kind.SEND_ACK, kind.OP, kind.OP_ACK, kind.EVENT_BATCH, kind.CONV_PUSH, kind.DEVICE_BATCH]);
const NORMAL = new Set<number>([kind.READ_MARKS, kind.READ_MARKS_ACK, kind.CONV_TIPS, kind.EPHEMERAL, kind.REQUEST, kind.RESPONSE]);

/** The priority of a kind; lists and history are sent as bulk by the server. */
export function prioOfKind(frameKind: number): number {
  if (LIVE.has(frameKind)) return 1;
  return NORMAL.has(frameKind) ? 2 : 0;
}

/** The bytes of one whole frame. @throws WireError `frame_too_large` */
export function encodeFrame(frameKind: number, id: number, payload: Uint8Array, last = true): Uint8Array {
  if (payload.length > FRAME_DOWN_BYTES_MAX) throw tooLarge(frameKind, payload.length, FRAME_DOWN_BYTES_MAX);
  const out = new Writer();
  out.u8((1 << 6) | (prioOfKind(frameKind) << 4) | (last ? 1 : 0));
  out.u8(frameKind);
  out.varint32(id);
  out.varint32(payload.length);
  out.bytes(payload);
  return out.finish();
}

const bad = (text: string) => new WireError("bad_frame", text);
const tooLarge = (frameKind: number, len: number, max: number) =>
  new WireError("frame_too_large", `frame of kind ${frameKind} has ${len} bytes, ${max} allowed`);

/** Reads one shortest-form varint of 32 bits at `at`: value and width, or `undefined` if the bytes end before it does. */
function varint(bytes: Uint8Array, at: number): readonly [value: number, width: number] | undefined {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = bytes[at + index];
    if (byte === undefined) return undefined;
    if (index === 4 && byte > 0x0f) throw bad("varint is above 32 bits");
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) {
      if (byte === 0 && index > 0) throw bad("varint is not in its shortest form");
      return [value, index + 1];
    }
  }
  return undefined;
}

/** A parsed and judged header; `width` is its own length. */
interface Head extends Omit<Frame, "payload" | "ext"> {
  readonly hasExt: boolean;
  readonly len: number;
  readonly width: number;
}

function readHead(bytes: Uint8Array, limits: FrameLimits): Head | undefined {
  const b0 = bytes[0];
  if (b0 === undefined) return undefined;
  if (b0 >> 6 !== 1) throw bad("frame version is not 1");
  const comp = (b0 >> 2) & 3;
  if (comp === 3) throw new WireError("bad_compression", "bad compression");
  const frameKind = bytes[1];
  if (frameKind === undefined) return undefined;
  if (frameKind < 128 && !KNOWN.has(frameKind)) throw new WireError("unknown_kind", `unknown frame kind ${frameKind}`);
  const last = (b0 & 1) === 1;
  if (!last && frameKind < 128 && frameKind !== kind.RESPONSE) throw bad("a piece where none may be");
  const id = varint(bytes, 2);
  if (id === undefined) return undefined;
  const len = varint(bytes, 2 + id[1]);
  if (len === undefined) return undefined;
  const max = frameKind === kind.HELLO ? Math.min(limits.helloBytesMax, limits.frameBytesMax) : limits.frameBytesMax;
  if (len[0] > max) throw tooLarge(frameKind, len[0], max);
  return {
    kind: frameKind,
    id: id[0],
    prio: (b0 >> 4) & 3,
    comp,
    last,
    hasExt: ((b0 >> 1) & 1) === 1,
    len: len[0],
    width: 2 + id[1] + len[1],
  };
}

/** Splits `content` into checked extension entries and payload. */
function splitExt(content: Uint8Array): { ext: Uint8Array; payload: Uint8Array } {
  const misfit = () => bad("extensions do not fit the frame");
  const total = varint(content, 0);
  if (total === undefined || content.length - total[1] < total[0]) throw misfit();
  const ext = content.subarray(total[1], total[1] + total[0]);
  let at = 0;
  while (at < ext.length) {
    const tag = varint(ext, at);
    const length = tag && varint(ext, at + tag[1]);
    if (tag === undefined || length === undefined) throw misfit();
    at += tag[1] + length[1] + length[0];
    if (at > ext.length) throw misfit();
    if (tag[0] % 2 === 1) throw new WireError("unknown_critical_ext", `unknown critical extension ${tag[0]}`);
  }
  return { ext, payload: content.subarray(total[1] + total[0]) };
}

/** Cuts a byte stream into frames. After an error every later call throws the same one: the link is to be closed. */
export class FrameReader {
  private buffer: Uint8Array = EMPTY;
  private skip = 0;
  private failed: WireError | undefined;

  constructor(private readonly limits: FrameLimits) {}

  /** Takes bytes of the link. */
  push(bytes: Uint8Array): void {
    if (this.failed) return;
    const skipped = Math.min(this.skip, bytes.length);
    this.skip -= skipped;
    const rest = bytes.subarray(skipped);
    this.buffer = this.buffer.length === 0 ? rest : concat([this.buffer, rest]);
  }

  /** The next whole frame, or `undefined` if more bytes are needed; kinds 128 to 255 are skipped if unknown. @throws WireError */
  next(): Frame | undefined {
    if (this.failed) throw this.failed;
    try {
      return this.parse();
    } catch (error) {
      if (error instanceof WireError) this.failed = error;
      this.buffer = EMPTY;
      throw error;
    }
  }

  private parse(): Frame | undefined {
    for (;;) {
      const head = readHead(this.buffer, this.limits);
      if (head === undefined) return undefined;
      const whole = head.width + head.len;
      if (!KNOWN.has(head.kind)) {
        this.skip = Math.max(0, whole - this.buffer.length);
        this.buffer = this.buffer.subarray(Math.min(whole, this.buffer.length));
        continue;
      }
      if (this.buffer.length < whole) return undefined;
      const content = this.buffer.subarray(head.width, whole);
      this.buffer = this.buffer.subarray(whole);
      const parts = head.hasExt ? splitExt(content) : { ext: EMPTY, payload: content };
      return { kind: head.kind, id: head.id, prio: head.prio, comp: head.comp, last: head.last, ...parts };
    }
  }
}

/** Largest whole response. */
const RESPONSE_BYTES_MAX = 1024 * 1024;
/** Responses that may be in pieces at once. */
const OPEN_CHUNKED_MAX = 8;
const HELD_BYTES_MAX = 2 * RESPONSE_BYTES_MAX;

/** Puts the pieces of chunked responses together, by id. */
export class ChunkAssembler {
  private readonly open = new Map<number, Uint8Array[]>();
  private held = 0;

  /** Takes any frame; gives it back at once if it is whole, joined if it was the last piece, else `undefined`. @throws WireError */
  take(frame: Frame): Frame | undefined {
    if (frame.last && !this.open.has(frame.id)) return frame;
    if (frame.kind !== kind.RESPONSE) {
      // An error frame with the id of an open response ends it.
      this.close(frame.id);
      return frame;
    }
    if (frame.id === 0 || (!frame.last && frame.payload.length === 0) || frame.comp !== 0) throw bad("a piece where none may be");
    if (!this.open.has(frame.id) && this.open.size === OPEN_CHUNKED_MAX) throw bad("too many answers in pieces");
    const pieces = this.open.get(frame.id) ?? [];
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0) + frame.payload.length;
    if (length > RESPONSE_BYTES_MAX || this.held + frame.payload.length > HELD_BYTES_MAX) {
      throw tooLarge(frame.kind, length, RESPONSE_BYTES_MAX);
    }
    pieces.push(frame.payload);
    this.open.set(frame.id, pieces);
    this.held += frame.payload.length;
    return frame.last ? { ...frame, payload: this.close(frame.id) } : undefined;
  }

  private close(id: number): Uint8Array {
    const joined = concat(this.open.get(id) ?? []);
    this.open.delete(id);
    this.held -= joined.length;
    return joined;
  }
}
