//! A real server for the suite: one process over a fresh directory, that can be killed and started again on its port.
//!
//! `TENON_BIN` names the program (the debug build unless told), `TENON_WEB` the built client that it serves.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { vi } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const program = process.env["TENON_BIN"] ?? join(root, "target/debug/tenon");
/** The built client. */
export const client = process.env["TENON_WEB"] ?? join(root, "target/web");

/** The environment without our own words: the program takes every `TENON_` for a key of its configuration. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TENON_")));

/** The password of every account. */
export const password = "correct horse battery staple";

/** Sign-ins and messages come faster here than people make them. */
export const configOf = (conversationRate = "0/s 0") => `[limits]
device = "0/s 0"
user = "0/s 0"
conversation = "${conversationRate}"
sign_in_account = "100000"
sign_in_network = "100000"
`;

export class Server {
  private process: ChildProcess | undefined;
  private lines = "";
  private readonly folder = mkdtempSync(join(tmpdir(), "tenon-browser-"));
  private listen = "127.0.0.1:0";
  /** Where it serves; the same after a restart. */
  url = "";

  /** Starts one with accounts of these names; `settings` is its configuration. */
  static async start(names: readonly string[], settings = configOf()): Promise<Server> {
    const server = new Server();
    writeFileSync(server.config, settings);
    await server.run();
    if (names.length > 0) server.addUsers(names);
    return server;
  }

  /** Starts a demonstration. */
  static async demo(): Promise<Server> {
    const server = new Server();
    await server.start("demo", "--data", server.data, "--listen", server.listen);
    return server;
  }

  private get config(): string {
    return join(this.folder, "tenon.toml");
  }

  private get data(): string {
    return join(this.folder, "data");
  }

  addUsers(names: readonly string[]): void {
    this.tenon(["user", "add", ...names]);
    for (const name of names) this.tenon(["user", "password", name], password);
  }

  /** What it printed that fits; waits until it is there. */
  async printed(pattern: RegExp): Promise<string> {
    const found = () => {
      const [text] = pattern.exec(this.lines) ?? [];
      if (text === undefined) throw new Error(`it did not print ${pattern}:\n${this.lines}`);
      return text;
    };
    return vi.waitFor(found, { timeout: 60_000, interval: 50 });
  }

  /** The path of a file that goes away with the server. */
  file(name: string): string {
    return join(this.folder, name);
  }

  /** Runs a command of the program on the data of this server; gives what it printed. */
  tenon(args: readonly string[], input = ""): string {
    return execFileSync(program, [...args, "--data", this.data], { input, encoding: "utf8", env });
  }

  /** Runs until `tenon ready`, with the client of this folder. @throws with what it printed if it ends before */
  run(web = client): Promise<void> {
    return this.start("serve", "--data", this.data, "--config", this.config, "--listen", this.listen, "--web-dir", web);
  }

  private async start(...args: string[]): Promise<void> {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
    this.process = child;
    this.lines = "";
    await new Promise<void>((done, failed) => {
      const take = (bytes: Buffer) => {
        this.lines = (this.lines + bytes.toString()).slice(-20_000);
        const ready = /^tenon ready (\S+)$/m.exec(this.lines);
        if (ready === null) return;
        this.url = ready[1] ?? "";
        this.listen = new URL(this.url).host;
        done();
      };
      child.stdout.on("data", take);
      child.stderr.on("data", take);
      child.on("error", failed);
      child.on("exit", (code) => failed(new Error(`the server ended with ${code}:\n${this.lines}`)));
    });
  }

  /** Ends the process at once, as a power cut does to it. */
  async kill(): Promise<void> {
    const child = this.process;
    this.process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGKILL");
    await ended;
  }

  /** Ends everything and takes the data away. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
