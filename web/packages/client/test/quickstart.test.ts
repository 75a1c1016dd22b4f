// @vitest-environment jsdom
//! The page for developers keeps its word: its blocks do what they say (that they compile is seen with the types).

import "fake-indexeddb/auto";
import { act, createElement, type FunctionComponent } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Client, MemoryStore } from "../src/index.js";
import { TestServer } from "../src/testing/index.js";
import { TenonProvider } from "../../react/src/index.js";

const script: string = "../scripts/quickstart.mjs";
const { extract } = (await import(/* @vite-ignore */ script)) as { extract(): Map<string, string> };
const files = extract();
const load = async <T>(name: string): Promise<T> => (await import(/* @vite-ignore */ files.get(name) ?? name)) as T;

afterEach(() => vi.unstubAllGlobals());

/** Sign-in over HTTP and WebSockets that end at a server in memory. */
function serveGlobally(server: TestServer): void {
  vi.stubGlobal("fetch", async (url: string, { body }: { body: string }) => {
    const path = new URL(url).pathname;
    if (path === "/v1/login") return Response.json(server.session((JSON.parse(body) as { name: string }).name));
    if (path === "/v1/ticket") return Response.json({ ticket: btoa(lastDevice) });
    return new Response("", { status: 404 });
  });
  let lastDevice = "";
  const session = server.session.bind(server);
  server.session = (name) => {
    const made = session(name);
    lastDevice = made.device;
    return made;
  };
  class Socket {
    onopen?: () => void;
    onmessage?: (message: { data: ArrayBufferLike }) => void;
    onclose?: (close: { reason: string; code: number }) => void;
    private readonly link = server.connect({
      opened: () => this.onopen?.(),
      bytes: (bytes) => this.onmessage?.({ data: bytes.slice().buffer }),
      closed: (reason) => this.onclose?.({ reason, code: 1006 }),
    });

    send(bytes: Uint8Array): void {
      this.link.send(bytes);
    }

    close(): void {
      this.link.close();
    }
  }
  vi.stubGlobal("WebSocket", Socket);
}

describe("docs/quickstart-web.md", () => {
  it("sign in, send, receive", async () => {
    const server = new TestServer();
    server.say(server.direct("ada", "bob"), "bob", "welcome");
    serveGlobally(server);
    const { connect } = await load<{ connect(server: string, name: string, password: string): Promise<Client> }>("connect.ts");
    const { hello } = await load<{ hello(client: Client, name: string, text: string): Promise<string[]> }>("hello.ts");
    const client = await connect("http://tenon.test", "ada", "secret");
    expect(await hello(client, "bob", "hi bob")).toEqual(["welcome", "hi bob"]);
    await expect(hello(client, "nobody", "hi")).rejects.toThrow("nobody is called nobody");
    await client.close(true);
  });

  it("draws the list and a chat, and sends from its form", async () => {
    const server = new TestServer();
    const conv = server.group("team", ["ada", "bob"]);
    const client = server.client("ada", { stores: new MemoryStore() });
    await client.ready();
    server.say(conv, "bob", "first");
    const { List, Chat } = await load<{ List: FunctionComponent<{ onOpen: (conv: bigint) => void }>; Chat: FunctionComponent<{ conv: bigint }> }>("chat.tsx");
    const box = document.body.appendChild(document.createElement("div"));
    const root = createRoot(box);
    const opened: bigint[] = [];
    vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
    await act(async () => root.render(createElement(TenonProvider, { client }, createElement(List, { onOpen: (id) => opened.push(id) }), createElement(Chat, { conv }))));
    vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", false);
    await expect.poll(() => box.textContent).toContain("1 unread");
    box.querySelector("nav button")?.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    expect(opened).toEqual([conv]);
    const input = box.querySelector("input") as HTMLInputElement;
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set;
    set?.call(input, "second");
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.form?.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await expect.poll(() => [...box.querySelectorAll("main p")].map((one) => one.textContent?.trim())).toEqual(["first", "second"]);
    expect(server.history(conv).length).toBe(2);
    root.unmount();
    await client.close(false);
  });

  // The test of the page itself.
  describe("its own test", async () => {
    await load("app.test.ts");
  });
});
