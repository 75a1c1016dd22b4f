//! Reasons: every state of the engine has one for people.

import { closeReason, errorCode } from "@tenon/wire";
import { describe, expect, it } from "vitest";
import { type ConnectionState } from "../src/index.js";
import { connectionOf, newConnection } from "../src/connection.js";

const around = { isOnline: true, isListComplete: true, nowMs: 5_000 };
const start = newConnection(1_000);
const stopped = (code: number, reason = 0): ConnectionState => ({ type: "stopped", code, reason, text: "t" });
const backoff = (code: number): ConnectionState => ({ type: "backoff", waitMs: 300, code, text: "t" });

describe("connection", () => {
  it.each([
    [stopped(errorCode.proto_unsupported), "proto_unsupported"],
    [stopped(errorCode.upgrade_required), "upgrade_required"],
    [stopped(0, closeReason.UPGRADE_REQUIRED), "upgrade_required"],
    [stopped(0, closeReason.DISPLACED), "displaced"],
    [stopped(0, closeReason.SESSION_ENDED), "signed_out"],
    [stopped(errorCode.device_removed), "signed_out"],
    [stopped(errorCode.account_disabled, closeReason.SESSION_ENDED), "account_disabled"],
    [stopped(0), "store_failed"],
    [backoff(0), "unreachable"],
    [backoff(errorCode.overload), "server_busy"],
    [backoff(errorCode.draining), "server_busy"],
    [backoff(errorCode.bad_frame), "protocol_error"],
    [backoff(errorCode.connection_stale), "protocol_error"],
    [{ type: "offline" }, "by_app"],
  ] as [ConnectionState, string][])("%j is %s", (state, reason) => {
    expect(connectionOf(state, around, start)).toMatchObject({ reason, state: state.type });
  });

  it("tells when the next try is due, and since when", () => {
    expect(connectionOf(backoff(0), around, start)).toEqual({ state: "backoff", reason: "unreachable", code: 0, text: "t", sinceMs: 5_000, retryAtMs: 5_300 });
  });

  it("without a network nothing is blamed on the server", () => {
    for (const state of [backoff(0), { type: "connecting" } as const]) {
      expect(connectionOf(state, { ...around, isOnline: false }, start)).toMatchObject({ state: "offline", reason: "no_network", retryAtMs: undefined });
    }
  });

  it("a list that is read anew is its own state, and the same object stays while nothing changes", () => {
    const rebasing = connectionOf({ type: "live" }, { ...around, isListComplete: false }, start);
    expect(rebasing.state).toBe("rebasing");
    const live = connectionOf({ type: "live" }, around, rebasing);
    expect(live.state).toBe("live");
    expect(connectionOf({ type: "live" }, { ...around, nowMs: 9_000 }, live)).toBe(live);
  });
});
