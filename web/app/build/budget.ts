//! Fails the build when a first visit would load more than the budget in `web/budget.json` allows.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Plugin, Rollup } from "vite";

interface Budget {
  /** Page, styles and scripts that are loaded before the chat is shown; bytes after gzip. */
  readonly firstLoadBytes: number;
  /** Everything else that the app may load later. */
  readonly laterBytes: number;
}

const bytesOf = (file: Rollup.OutputChunk | Rollup.OutputAsset): number => gzipSync(file.type === "chunk" ? file.code : file.source).length;

/** The part of the client that stands at `/`; the others load it never. */
const CHAT = /\/src\/app\.tsx$/;

/** Names of the files that a first visit of the chat loads. */
export function firstFiles(bundle: Rollup.OutputBundle): Set<string> {
  const files = new Set<string>();
  const add = (name: string) => {
    const file = bundle[name];
    if (file === undefined || files.has(name)) return;
    files.add(name);
    if (file.type !== "chunk") return;
    for (const next of file.imports) add(next);
    for (const style of (file.viteMetadata as { importedCss?: Set<string> } | undefined)?.importedCss ?? []) add(style);
  };
  for (const [name, file] of Object.entries(bundle)) {
    if (name.endsWith(".html") || (file.type === "chunk" && (file.isEntry || CHAT.test(file.facadeModuleId ?? "")))) add(name);
  }
  return files;
}

export function budget(file: URL): Plugin {
  return {
    name: "tenon-budget",
    apply: "build",
    writeBundle(_, bundle) {
      const allowed = JSON.parse(readFileSync(file, "utf8")) as Budget;
      const first = firstFiles(bundle);
      const sum = (isFirst: boolean) => Object.entries(bundle).reduce((bytes, [name, one]) => (first.has(name) === isFirst && /\.(js|css|html)$/.test(name) ? bytes + bytesOf(one) : bytes), 0);
      const [now, later] = [sum(true), sum(false)];
      this.info(`first load ${now} of ${allowed.firstLoadBytes} bytes after gzip, later ${later} of ${allowed.laterBytes}`);
      if (now > allowed.firstLoadBytes) this.error(`a first visit loads ${now} bytes after gzip, ${allowed.firstLoadBytes} allowed: web/budget.json`);
      if (later > allowed.laterBytes) this.error(`later files have ${later} bytes after gzip, ${allowed.laterBytes} allowed: web/budget.json`);
    },
  };
}
