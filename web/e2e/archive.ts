//! The archive of another system, as a Slack export: one channel and what was said in it.

import { writeFileSync } from "node:fs";
import { crc32 } from "node:zlib";

/** One message of the channel. */
export interface Said {
  readonly by: string;
  readonly text: string;
  /** Index of the message that began its thread. */
  readonly thread?: number;
}

const seconds = (index: number): string => `${1_100_000_000 + index * 60}.000000`;

/** Writes the export of one channel with these people. */
export function writeArchive(path: string, channel: string, people: readonly string[], said: readonly Said[]): void {
  const id = (name: string) => `U${name.toUpperCase()}`;
  const users = people.map((name) => ({ id: id(name), name, deleted: false, real_name: name, is_bot: false, profile: { real_name: name, display_name: name } }));
  const members = people.map(id);
  const channels = [{ id: "C1", name: channel, created: 1_100_000_000, creator: members[0], is_archived: false, is_general: true, members, topic: { value: "" }, purpose: { value: "" } }];
  const messages = said.map(({ by, text, thread }, index) => ({ type: "message", user: id(by), text, ts: seconds(index), ...(thread === undefined ? {} : { thread_ts: seconds(thread) }) }));
  const files = { "users.json": users, "channels.json": channels, [`${channel}/2004-11-09.json`]: messages };
  writeFileSync(path, zip(Object.entries(files).map(([name, value]) => [name, Buffer.from(JSON.stringify(value))])));
}

/** A ZIP file whose members are stored as they are. */
function zip(files: readonly (readonly [name: string, bytes: Buffer])[]): Buffer {
  const parts: Buffer[] = [];
  const entries: Buffer[] = [];
  let at = 0;
  for (const [name, bytes] of files) {
    // Versions, flags, method, time and date; then checksum, both sizes, length of the name, no extra field.
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(0x21, 8);
    shared.writeUInt32LE(crc32(bytes), 10);
    shared.writeUInt32LE(bytes.length, 14);
    shared.writeUInt32LE(bytes.length, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    entries.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), shared, tail, Buffer.from(name));
    parts.push(Buffer.from("PK\x03\x04", "latin1"), shared, Buffer.from(name), bytes);
    at += 30 + Buffer.byteLength(name) + bytes.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, directory, end]);
}
