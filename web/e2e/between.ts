//! Stands between a page and the server, and changes what one of them says: as a server or a page of another version would.

import { encodeFrame, type Frame, type FrameLimits, frameLimits, FrameReader } from "@tenon/wire";
import type { BrowserContext } from "playwright-core";

/** Gives the payload that goes on in place of the one of `frame`. */
export type Rewrite = (frame: Frame) => Uint8Array;

/** What is changed on the way. */
export interface Between {
  readonly up?: Rewrite;
  readonly down?: Rewrite;
}

const same: Rewrite = (frame) => frame.payload;

/** Frames out of the messages of one direction, each written anew. */
function rewriter(limits: FrameLimits, rewrite: Rewrite, send: (bytes: Buffer) => void): (message: string | Buffer) => void {
  const reader = new FrameReader(limits);
  return (message) => {
    reader.push(Buffer.from(message as Buffer));
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) send(Buffer.from(encodeFrame(frame.kind, frame.id, rewrite(frame), frame.last)));
  };
}

/** Stands between from now on; gives what ends that for links opened later. */
export async function standBetween(context: BrowserContext, { up = same, down = same }: Between): Promise<() => void> {
  let isOver = false;
  await context.routeWebSocket(/\/v1\/connect/, (page) => {
    const server = page.connectToServer();
    if (isOver) return;
    page.onMessage(rewriter(frameLimits.up, up, (bytes) => server.send(bytes)));
    server.onMessage(rewriter(frameLimits.down, down, (bytes) => page.send(bytes)));
  });
  return () => {
    isOver = true;
  };
}
