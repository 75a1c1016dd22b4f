//! Protobuf messages from compact field tables.
//!
//! A table is a text: `name number code [oneof]` per field, joined by `;`. Codes: u uint32, U uint64, f fixed32, F fixed64,
//! b bool, B bytes, s string, d double, eN enum, MN message, m map of texts; a leading `*` repeats. uint64 and fixed64 are
//! bigint, so no position or id is ever rounded. Every scalar field is always present; an absent message is `undefined`.

import { EMPTY, Reader, utf8, Writer } from "./bytes.js";
import { WireError } from "./fault.js";

/** One field of a message. */
export interface Field {
  readonly name: string;
  readonly number: number;
  readonly code: string;
  readonly index: number;
  readonly repeated: boolean;
  readonly oneof: string | undefined;
}

type Loose = Record<string, unknown>;

/** A message of the schema: makes, encodes and decodes values of `T`. */
export interface MessageType<T> {
  readonly name: string;
  readonly fields: readonly Field[];
  /** The message type of an `M` field. */
  readonly typeOf: (field: Field) => MessageType<unknown>;
  /** The names of the values of an `e` field, by number. */
  readonly namesOf: (field: Field) => readonly string[];
  /** A value with the given fields, all others at their default. */
  of(fields?: Partial<T>): T;
  /** The bytes of a value; default values are left out. */
  encode(value: T): Uint8Array;
  /** Reads a value; unknown fields are skipped. @throws WireError `bad_message` */
  decode(bytes: Uint8Array): T;
}

/** Nesting above this is refused, as on the server. */
const DEPTH_MAX = 100;

interface Internal extends MessageType<unknown> {
  write(out: Writer, value: Loose): void;
  read(into: Loose, source: Reader, depth: number): void;
}

const NUMERIC = "uUfFbde";
const wireType = (code: string) => (code === "F" || code === "d" ? 1 : code === "f" ? 5 : NUMERIC.includes(code) ? 0 : 2);

function parse(spec: string): Field[] {
  if (spec === "") return [];
  return spec.split(";").map((text) => {
    const [name = "", number, code = "", oneof] = text.split(" ");
    const repeated = code.startsWith("*");
    const bare = repeated ? code.slice(1) : code;
    return { name, number: Number(number), code: bare[0] ?? "", index: Number(bare.slice(1) || 0), repeated, oneof };
  });
}

function defaultOf(field: Field): unknown {
  if (field.repeated) return [];
  switch (field.code) {
    case "U":
    case "F":
      return 0n;
    case "b":
      return false;
    case "B":
      return EMPTY;
    case "s":
      return "";
    case "m":
      return {};
    case "M":
      return undefined;
    default:
      return 0;
  }
}

function isDefault(code: string, value: unknown): boolean {
  if (code === "B") return (value as Uint8Array).length === 0;
  return value === 0 || value === 0n || value === false || value === "" || value === undefined;
}

function writeScalar(out: Writer, code: string, value: unknown): void {
  switch (code) {
    case "U":
      return out.varint64(value as bigint);
    case "F":
      return out.fixed64(value as bigint);
    case "f":
      return out.fixed32(value as number);
    case "d":
      return out.double(value as number);
    case "b":
      return out.u8(value === true ? 1 : 0);
    default:
      return out.varint32(value as number);
  }
}

function readScalar(source: Reader, code: string): unknown {
  switch (code) {
    case "U":
      return source.varint64();
    case "F":
      return source.fixed64();
    case "f":
      return source.fixed32();
    case "d":
      return source.double();
    case "b":
      return source.varint64() !== 0n;
    case "e":
      return source.varint32() | 0;
    case "s":
      return source.string();
    case "B":
      return source.bytes();
    default:
      return source.varint32();
  }
}

class Table implements Internal {
  private list: Field[] | undefined;
  private byNumber: Map<number, Field> | undefined;

  constructor(
    readonly name: string,
    private readonly spec: string,
    private readonly refs: () => readonly MessageType<unknown>[],
    private readonly enums: () => readonly (readonly string[])[],
  ) {}

  get fields(): readonly Field[] {
    this.list ??= parse(this.spec);
    return this.list;
  }

  readonly typeOf = (field: Field): MessageType<unknown> => this.refs()[field.index] as MessageType<unknown>;
  readonly namesOf = (field: Field): readonly string[] => this.enums()[field.index] ?? [];

  of(fields?: Loose): Loose {
    const out: Loose = {};
    for (const field of this.fields) out[field.oneof ?? field.name] = field.oneof ? undefined : defaultOf(field);
    return Object.assign(out, fields);
  }

  encode(value: unknown): Uint8Array {
    const out = new Writer();
    this.write(out, value as Loose);
    return out.finish();
  }

  decode(bytes: Uint8Array): Loose {
    const out = this.of();
    this.read(out, new Reader(bytes), DEPTH_MAX);
    return out;
  }

  write(out: Writer, value: Loose): void {
    const fields = [...this.fields].sort((a, b) => a.number - b.number);
    for (const field of fields) {
      if (field.oneof) {
        const arm = value[field.oneof] as { case: string; value: unknown } | undefined;
        if (arm?.case === field.name) this.writeOne(out, field, arm.value);
      } else if (field.repeated) this.writeList(out, field, value[field.name] as unknown[]);
      else if (field.code === "m") this.writeMap(out, field, value[field.name] as Record<string, string>);
      else if (!isDefault(field.code, value[field.name])) this.writeOne(out, field, value[field.name]);
    }
  }

  private writeOne(out: Writer, field: Field, value: unknown): void {
    out.varint32((field.number << 3) | wireType(field.code));
    if (field.code === "M") {
      const bytes = this.typeOf(field).encode(value);
      out.varint32(bytes.length);
      out.bytes(bytes);
    } else if (field.code === "s" || field.code === "B") {
      const bytes = field.code === "s" ? utf8(value as string) : (value as Uint8Array);
      out.varint32(bytes.length);
      out.bytes(bytes);
    } else writeScalar(out, field.code, value);
  }

  private writeList(out: Writer, field: Field, list: unknown[]): void {
    if (list.length === 0) return;
    if (!NUMERIC.includes(field.code)) {
      for (const item of list) this.writeOne(out, field, item);
      return;
    }
    const packed = new Writer();
    for (const item of list) writeScalar(packed, field.code, item);
    const bytes = packed.finish();
    out.varint32((field.number << 3) | 2);
    out.varint32(bytes.length);
    out.bytes(bytes);
  }

  private writeMap(out: Writer, field: Field, map: Record<string, string>): void {
    for (const key of Object.keys(map).sort()) {
      const entry = mapEntry.encode({ key, value: map[key] ?? "" });
      out.varint32((field.number << 3) | 2);
      out.varint32(entry.length);
      out.bytes(entry);
    }
  }

  read(into: Loose, source: Reader, depth: number): void {
    this.byNumber ??= new Map(this.fields.map((field) => [field.number, field]));
    while (!source.done) {
      const key = source.varint64();
      const number = Number(key >> 3n);
      const wire = Number(key & 7n);
      if (number < 1 || key > 0xffff_ffffn) throw new WireError("bad_message", "field number out of range");
      const field = this.byNumber.get(number);
      if (field === undefined) source.skipField(wire, depth);
      else this.readField(into, field, wire, source, depth);
    }
  }

  private readField(into: Loose, field: Field, wire: number, source: Reader, depth: number): void {
    const expected = wireType(field.code);
    if (field.repeated && wire === 2 && expected !== 2) {
      const packed = new Reader(source.bytes());
      while (!packed.done) (into[field.name] as unknown[]).push(readScalar(packed, field.code));
      return;
    }
    if (wire !== expected) throw new WireError("bad_message", `${this.name}.${field.name} has another wire type`);
    if (field.code === "m") {
      const entry = mapEntry.decode(source.bytes());
      (into[field.name] as Record<string, string>)[entry.key] = entry.value;
      return;
    }
    const value = field.code === "M" ? this.readMessage(into, field, source, depth) : readScalar(source, field.code);
    if (field.repeated) (into[field.name] as unknown[]).push(value);
    else if (field.oneof) into[field.oneof] = { case: field.name, value };
    else into[field.name] = value;
  }

  /** A message field; what stood there before is merged, as protobuf asks. */
  private readMessage(into: Loose, field: Field, source: Reader, depth: number): unknown {
    if (depth === 0) throw new WireError("bad_message", "message nests too deep");
    const type = this.typeOf(field) as Internal;
    const arm = field.oneof ? (into[field.oneof] as { case: string; value: unknown } | undefined) : undefined;
    const before = field.repeated ? undefined : field.oneof ? (arm?.case === field.name ? arm.value : undefined) : into[field.name];
    const value = (before ?? type.of()) as Loose;
    type.read(value, new Reader(source.bytes()), depth - 1);
    return value;
  }
}

/** Builds a message type from its table. */
export function message<T>(
  name: string,
  spec: string,
  refs: () => readonly MessageType<unknown>[] = () => [],
  enums: () => readonly (readonly string[])[] = () => [],
): MessageType<T> {
  return new Table(name, spec, refs, enums) as unknown as MessageType<T>;
}

const mapEntry = /*#__PURE__*/ message<{ key: string; value: string }>("Entry", "key 1 s;value 2 s");
