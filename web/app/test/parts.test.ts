import { MessageRow, Send } from "@tenon/wire";
import { textMessage } from "@tenon/client";
import { describe, expect, it } from "vitest";
import { mentionsIn } from "../src/drafts.js";
import { entriesOf, replyCounts, rootOf } from "../src/entries.js";
import { wordOfCode } from "../src/refusal.js";
import { day, short } from "../src/time.js";
import { initialsOf } from "../src/views/avatar.js";
import { say } from "../src/words.js";

const at = (text: string) => new Date(text).getTime();
const row = (seq: number, sender: number, time: string, replySeq = 0) => MessageRow.of({ seq: BigInt(seq), sender: BigInt(sender), ts: BigInt(at(time)), replySeq: BigInt(replySeq) });
const shape = (entries: ReturnType<typeof entriesOf>) => entries.map((e) => (e.type === "row" ? `${e.row.seq}${e.isFirst ? "<" : ""}${e.isLast ? ">" : ""}` : e.type));

describe("a chat from top to bottom", () => {
  it("has days, groups of one person, and a line above what is new", () => {
    const rows = [row(1, 2, "2026-03-01T10:00"), row(2, 2, "2026-03-01T10:01"), row(3, 2, "2026-03-01T10:30"), row(4, 3, "2026-03-02T00:01"), row(5, 3, "2026-03-02T00:02")];
    expect(shape(entriesOf(rows, [], 1n, undefined))).toEqual(["day", "1<", "2>", "3<>", "day", "4<", "5>"]);
    expect(shape(entriesOf(rows, [], 1n, 4n))).toEqual(["day", "1<", "2>", "3<>", "day", "4<>", "new", "5<>"]);
    expect(shape(entriesOf(rows, [], 1n, 0n))).toEqual(["day", "new", "1<", "2>", "3<>", "day", "4<", "5>"]);
  });

  it("has no line above own messages", () => {
    expect(shape(entriesOf([row(1, 1, "2026-03-01T10:00")], [], 1n, 0n))).toEqual(["day", "1<>"]);
  });

  it("ends with what is on its way", () => {
    const outgoing = { local: 9n, conv: 7n, send: Send.of(), atMs: at("2026-03-01T10:01"), failedCode: undefined, seq: 0n };
    expect(entriesOf([row(1, 1, "2026-03-01T10:00")], [outgoing], 1n, undefined).at(-1)).toMatchObject({ type: "outgoing", isFirst: false, isLast: true });
  });

  it("finds the root of a thread through answers to answers", () => {
    const rows = [row(1, 2, "2026-03-01T10:00"), row(2, 3, "2026-03-01T10:01", 1), row(3, 2, "2026-03-01T10:02", 2), row(4, 2, "2026-03-01T10:03")];
    const bySeq = new Map(rows.map((r) => [r.seq, r]));
    expect(rows.map((r) => rootOf(r, (seq) => bySeq.get(seq)))).toEqual([1n, 1n, 1n, 4n]);
    expect([...replyCounts(rows)]).toEqual([[1n, 2]]);
  });

  it("an answer to itself or to the future is no thread", () => {
    const rows = [row(1, 2, "2026-03-01T10:00", 1), row(2, 2, "2026-03-01T10:00", 3)];
    expect([...replyCounts(rows)]).toEqual([]);
  });
});

describe("mentions", () => {
  it("are where the names still stand, the longer name first, in UTF-16 units", () => {
    const chosen = [{ user: 1n, label: "Ada", hint: "" }, { user: 2n, label: "Ada Lovelace", hint: "" }, { user: 3n, label: "Bob", hint: "" }];
    expect(mentionsIn("😀 @Ada Lovelace and @Ada", chosen)).toEqual([{ user: 2n, start: 3, len: 13 }, { user: 1n, start: 21, len: 4 }]);
  });

  it("of everybody set the flag and name nobody", () => {
    const send = textMessage(7n, "@everyone hi", [{ user: 0n, start: 0, len: 9 }]);
    expect([send.mentions, send.flags & 4]).toEqual([[], 4]);
  });
});

describe("words", () => {
  it("times are those of a person's calendar", () => {
    const now = at("2026-03-05T12:00");
    const words = { today: "Today", yesterday: "Yesterday" };
    expect([short(at("2026-03-05T09:05"), now, "en", words), short(at("2026-03-04T23:59"), now, "en", words), short(at("2026-03-01T12:00"), now, "en", words)]).toEqual(["09:05", "Yesterday", "Sun"]);
    expect([day(at("2026-03-05T00:00"), now, "en", words), day(at("2026-01-02T10:00"), now, "zh", words)]).toEqual(["Today", "1月2日星期五"]);
  });

  it("initials fit names of both scripts", () => {
    expect(["Ada Lovelace", "bob", "王小明", "", "design-team"].map(initialsOf)).toEqual(["AL", "B", "小明", "?", "DT"]);
  });

  it("places are filled and unknown codes have words", () => {
    expect([say("en", "memberCount", { n: 3 }), say("zh", "memberCount", { n: 3 })]).toEqual(["3 members", "3 位成员"]);
    expect([wordOfCode(6003), wordOfCode(2999), wordOfCode(1)]).toEqual(["refusedMuted", "refusedRate", "refusedOther"]);
  });
});
