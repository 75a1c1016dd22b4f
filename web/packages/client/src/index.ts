//! Tenon's client for browsers, without a framework.

export { Engine } from "./engine.js";
export * from "./engine/speech.js";
export { IntervalSet } from "./engine/interval.js";
export * from "./rows.js";
export * from "./store.js";
export { MemoryStore } from "./store/memory.js";
export { IndexedStore } from "./store/indexed.js";
export { cryptoRandom, type Random, SeededRandom } from "./random.js";
export { K1, K2, listTerm, mix64, term } from "./digest.js";
export { Client, type ClientEvents, type ClientOptions, type Device, Refused } from "./client.js";
export { type Mention, type Shown, shownOf, textMessage } from "./content.js";
export { type Connect, Driver, type DriverEvents, type Socket, type SocketEvents, webSocketTo } from "./driver.js";
export { type FailedRow, Host, type HostOptions, type Notice, type Port, type Snapshot } from "./host.js";
export { People, type Person } from "./people.js";
export { freshTicket, type Login, type Session, signIn, signOut, socketUrl } from "./session.js";
export { LeaderLost, type TabGround, Tabs } from "./tabs.js";
export { type Connection, type ConnectionReason } from "./connection.js";
export { inListOrder, LineList, type ListTotals, NO_TOTALS, Tally } from "./lines.js";
export { LocalStores, onlyStore, type Opened, type Storage, type StoreSource } from "./local.js";
export { Thread, type ThreadState, type ThreadView } from "./thread.js";
export { type Outgoing, Timeline, type TimelineView } from "./timeline.js";
export { type Readable, Value } from "./value.js";
