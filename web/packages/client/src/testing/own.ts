//! Commands about the user's own things: conversations that are made, list lines, devices.

import { ConvKind, CreateConversation, errorCode, eventType, type Op, OpenDirect, opType, RemoveDevice, setting, SetSummary, Status, SummaryChanged } from "@tenon/wire";
import { accounts, bodyOf, titleRefusal } from "./commands.js";
import { LIMITS } from "./limits.js";
import { type Device, type Outcome, outcome, partOf, rejected, type Town, type User } from "./town.js";

/** Bits of `SetSummary.mask`. */
const MASK = { PINNED: 1, NOTIFY: 2, HIDDEN: 4, MARKED_UNREAD: 16, DRAFT: 32 } as const;
const MASK_KNOWN = MASK.PINNED | MASK.NOTIFY | MASK.HIDDEN | MASK.MARKED_UNREAD | MASK.DRAFT;
/** All, mentions, none. */
const NOTIFY_MAX = 2;

/** A command of the user's own chain. */
export function ownAct(town: Town, device: Device, op: Op): Outcome {
  const { user } = device;
  switch (op.type) {
    case opType.OPEN_DIRECT: {
      const peer = bodyOf(OpenDirect, op.body);
      const other = town.users.get(peer?.user ?? 0n);
      if (peer === undefined) return rejected(errorCode.bad_body);
      if (other === undefined || other === user) return rejected(errorCode.target_unknown);
      return outcome({ status: Status.ACCEPTED, id: town.direct(user, other).id });
    }
    case opType.CREATE_CONVERSATION:
      return create(town, user, bodyOf(CreateConversation, op.body));
    case opType.SET_SUMMARY:
      return setSummary(town, user, bodyOf(SetSummary, op.body));
    case opType.REMOVE_DEVICE:
      return removeDevice(town, user, bodyOf(RemoveDevice, op.body));
    default:
      return rejected(errorCode.bad_body);
  }
}

function create(town: Town, user: User, wish: CreateConversation | undefined): Outcome {
  const kind = wish?.meta?.kind ?? ConvKind.UNSPECIFIED;
  const isGroup = kind === ConvKind.UNSPECIFIED || kind === ConvKind.GROUP;
  const settings = wish?.meta?.settings ?? 0;
  const isKnown = (settings & ~setting.NEWCOMERS_SEE_HISTORY) === 0 && wish?.joinPolicy === 0;
  if (wish === undefined || !isGroup || !isKnown) return rejected(errorCode.bad_body);
  const title = wish.meta?.title ?? "";
  if (wish.members.length > LIMITS.MEMBERS_AT_BIRTH) return rejected(errorCode.too_many);
  const refused = titleRefusal(title);
  if (refused !== 0) return rejected(refused);
  const others = accounts(town, wish.members);
  if (others === undefined) return rejected(errorCode.target_unknown);
  const c = town.makeGroup(title, [user, ...others], (settings & setting.NEWCOMERS_SEE_HISTORY) !== 0);
  return outcome({ status: Status.ACCEPTED, id: c.id });
}

function setSummary(town: Town, user: User, wish: SetSummary | undefined): Outcome {
  const given = wish?.summary;
  if (wish === undefined || wish.mask & ~MASK_KNOWN || (given?.notify ?? 0) > NOTIFY_MAX) return rejected(errorCode.bad_body);
  const c = town.conversations.get(given?.conv ?? 0n);
  const own = c && partOf(c, user.id);
  if (own === undefined || given === undefined) return rejected(errorCode.absent);
  user.summaryVer += 1n;
  const { mask } = wish;
  own.summary = {
    ...own.summary,
    ver: user.summaryVer,
    ...(mask & MASK.PINNED ? { pinned: given.pinned } : {}),
    ...(mask & MASK.NOTIFY ? { notify: given.notify } : {}),
    ...(mask & MASK.HIDDEN ? { hidden: given.hidden } : {}),
    ...(mask & MASK.MARKED_UNREAD ? { markedUnread: given.markedUnread } : {}),
    ...(mask & MASK.DRAFT ? { draft: given.draft } : {}),
  };
  town.tell(user, { type: eventType.SUMMARY_CHANGED, conv: c?.id ?? 0n, body: SummaryChanged.encode({ summary: { ...own.summary, conv: given.conv } }) });
  return outcome({});
}

function removeDevice(town: Town, user: User, wish: RemoveDevice | undefined): Outcome {
  if (wish === undefined || wish.device === 0n) return rejected(errorCode.bad_body);
  const device = town.devices.get(wish.device);
  if (device === undefined || device.user !== user || device.isRemoved) return rejected(errorCode.target_unknown);
  town.removeDevice(device);
  return outcome({});
}
