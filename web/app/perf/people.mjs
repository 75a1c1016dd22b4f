//! People that work without a page: the same client, run by Node.js (needs NODE_OPTIONS=--experimental-websocket before Node 22).

import { fileURLToPath } from "node:url";
import { createServer } from "vite";

/** The client package, compiled as it is read. */
export async function loadClient() {
  const configFile = fileURLToPath(new URL("../vite.config.ts", import.meta.url));
  const vite = await createServer({ configFile, server: { middlewareMode: true }, appType: "custom", logLevel: "error" });
  const client = await vite.ssrLoadModule("@tenon/client");
  const wire = await vite.ssrLoadModule("@tenon/wire");
  return { client, wire, close: () => vite.close() };
}

/** Signs `name` in; gives the engine of a device with an empty store. */
export async function person({ client }, server, name, password) {
  const session = await client.signIn(server, { name, password, label: "measurement" });
  const settled = new Map();
  const lines = new Map();
  let isComplete = false;
  const host = await client.Host.open(
    { stores: new client.MemoryStore(), connect: client.webSocketTo(client.socketUrl(server, server)), getTicket: () => client.freshTicket(session) },
    (notice) => {
      if (notice.type === "event" && notice.event.type === "settled") settled.get(notice.event.settled.local)?.(notice.event.settled);
      if (notice.type === "lines") for (const line of notice.lines) lines.set(line.conv, line);
      if (notice.type === "listComplete") isComplete = true;
    },
  );
  const done = (local) => new Promise((resolve) => settled.set(local, resolve));
  while (!isComplete) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const line of (await host.snapshot()).lines) lines.set(line.conv, line);
  const op = async (type, body) => {
    const answer = await host.ask({ type: "op", after: 0n, op: { ...body, type } });
    if (answer.type !== "queued") throw new Error(`refused: ${answer.info?.text ?? answer.type}`);
    return done(answer.local);
  };
  return { session, host, lines, done, op, signOut: async () => (host.close(), client.signOut(session)) };
}
