//! What a user took away for himself.

import { flag, type MessageRow, type Overlay } from "@tenon/wire";

/** True if the user deleted the row or cleared it away. */
export function isHidden(row: MessageRow, overlay: Overlay | undefined): boolean {
  if (row.flags & flag.HIDDEN) return true;
  return overlay !== undefined && (row.seq <= overlay.clearedToSeq || overlay.deletedSeqs.some((r) => r.lo <= row.seq && row.seq <= r.hi));
}
