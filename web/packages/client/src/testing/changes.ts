//! Edits, recalls, reactions: as the protocol says, and only where a test asks for them. The real server refuses them so far.

import { Edit, EMPTY, errorCode, eventType, flag, type Op, opType, React, ReactionCount, ReactionsChanged, Recall, Recalled } from "@tenon/wire";
import { tryDecode } from "../numbers.js";
import { type Conversation, type Outcome, outcome, rejected, type Sender, type Town, tipRev, type User } from "./town.js";

/** Changes a message. */
export function changeMessage(town: Town, c: Conversation, { type, body }: Op, sender: Sender): Outcome {
  const { user } = sender.device;
  const wish = tryDecode<Pick<Edit, "seq">>(type === opType.EDIT ? Edit : type === opType.RECALL ? Recall : React, body);
  const row = c.rows.get(wish?.seq ?? 0n);
  if (wish === undefined || row === undefined || row.flags & flag.RECALLED) return rejected(errorCode.target_unknown);
  if (type !== opType.REACT && row.sender !== user.id) return rejected(errorCode.role_required);
  const ver = tipRev(c) + 1n;
  const event = { seq: row.seq, ver, sender: user.id, cid: sender.n, device: sender.device.id, deviceEpoch: sender.epoch };
  if (type === opType.EDIT) {
    const edit = Edit.decode(body);
    const content = { body: edit.body.slice(), mentions: edit.mentions, kind: edit.kind || row.kind };
    c.rows.set(row.seq, { ...row, ...content, ver, flags: row.flags | flag.EDITED, editedMs: town.now() });
    return outcome({ rev: town.append(c, { type: eventType.MESSAGE_EDITED, ...event, ...content }) });
  }
  if (type === opType.RECALL) {
    c.rows.set(row.seq, { ...row, ver, body: EMPTY, mentions: [], reactions: [], flags: row.flags | flag.RECALLED });
    return outcome({ rev: town.append(c, { type: eventType.MESSAGE_RECALLED, ...event, body: Recalled.encode({ by: user.id, reason: "" }) }) });
  }
  const reactions = react(c, user, React.decode(body));
  c.rows.set(row.seq, { ...row, ver, reactions });
  return outcome({ rev: town.append(c, { type: eventType.REACTIONS_CHANGED, ...event, body: ReactionsChanged.encode(ReactionsChanged.of({ reactions })) }) });
}

function react(c: Conversation, user: User, wish: React): ReactionCount[] {
  const all = c.reactions.get(wish.seq) ?? new Map<string, Set<bigint>>();
  c.reactions.set(wish.seq, all);
  const users = all.get(wish.code) ?? new Set();
  if (wish.on) all.set(wish.code, users.add(user.id));
  else users.delete(user.id);
  return [...all].filter(([, who]) => who.size > 0).map(([code, who]) => ReactionCount.of({ code, count: who.size, firstUsers: [...who].slice(0, 3) }));
}
