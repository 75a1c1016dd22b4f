//! The network of one device, between its engine and any server: it can be down, be cut, and lose frames.

import { concat, encodeFrame, type Frame, frameLimits, FrameReader } from "@tenon/wire";
import type { Connect } from "../../src/index.js";
import type { Direction } from "../../src/testing/index.js";

/** Says which frames are lost. */
export type Loss = (frame: Frame, way: Direction) => boolean;

const nothing: Loss = () => false;

/** Frames of one link in one direction that are not lost. */
class Sieve {
  private readonly reader: FrameReader;

  constructor(
    private readonly way: Direction,
    private readonly loss: () => Loss,
  ) {
    this.reader = new FrameReader(way === "up" ? frameLimits.up : frameLimits.down);
  }

  pass(bytes: Uint8Array): Uint8Array {
    this.reader.push(bytes.slice());
    const kept: Uint8Array[] = [];
    for (let frame = this.reader.next(); frame; frame = this.reader.next()) {
      if (!this.loss()(frame, this.way)) kept.push(encodeFrame(frame.kind, frame.id, frame.payload, frame.last));
    }
    return concat(kept);
  }
}

/** One device's network. */
export class Line {
  private isUp = true;
  private loss: Loss = nothing;
  private readonly open = new Set<(text: string) => void>();

  /** Ends every link, and opens none until `up`. */
  down(): void {
    this.isUp = false;
    this.cut();
  }

  up(): void {
    this.isUp = true;
  }

  /** Ends every link without a word. */
  cut(): void {
    for (const drop of [...this.open]) drop("the network is gone");
  }

  /** From now on frames for which this says true are lost; without it none are. */
  loses(loss: Loss = nothing): void {
    this.loss = loss;
  }

  /** `connect` through this network. */
  through(connect: Connect): Connect {
    return (events) => {
      if (!this.isUp) {
        setTimeout(() => events.closed("no network"));
        return { send: () => undefined, close: () => undefined };
      }
      const [up, down] = [new Sieve("up", () => this.loss), new Sieve("down", () => this.loss)];
      let isOpen = true;
      const drop = (text: string) => {
        if (!isOpen) return;
        isOpen = false;
        this.open.delete(drop);
        socket.close();
        events.closed(text);
      };
      this.open.add(drop);
      const socket = connect({
        opened: () => isOpen && events.opened(),
        bytes: (bytes) => {
          const kept = isOpen ? down.pass(bytes) : new Uint8Array(0);
          if (kept.length > 0) events.bytes(kept);
        },
        closed: drop,
      });
      return {
        send: (bytes) => {
          const kept = up.pass(bytes);
          if (isOpen && kept.length > 0) socket.send(kept);
        },
        close: () => {
          isOpen = false;
          this.open.delete(drop);
          socket.close();
        },
      };
    };
  }
}
