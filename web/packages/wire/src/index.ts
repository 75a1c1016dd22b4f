//! Protocol v1 in TypeScript: messages, frames, JSON form, error codes, the device's session.
//!
//! Takes and gives: bytes and values. Invariants: equal to the Rust codec by `vectors/v01-codec.jsonl`; an unknown field,
//! event type or error code never fails. Not here: sockets, clocks, storage (package client).

export { concat, EMPTY, utf8 } from "./bytes.js";
export { checkBounds, decodeBounded } from "./bounds.js";
export { classOf, ErrorClass, textOf, WireError } from "./fault.js";
export * from "./frame.js";
export { errorCode, type ErrorText } from "./gen/error.js";
export * from "./gen/messages.js";
export * from "./gen/number.js";
export { ENVELOPES_MAX, envelopeOf, frameOfEnvelope, fromJson, messageFromJson, messageToJson, type MethodOf, toJson } from "./json.js";
export type { Field, MessageType } from "./message.js";
export { ClientSession, type End, isRetryClass, REQUESTS_MAX, type SessionEvent } from "./session.js";
