//! Puts the service worker into the build, with the list of files it keeps and their version.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

/** Icons that only the installation needs. */
const BIG = /-(512|maskable)/;

/** `root` is the folder of the app. */
export function shell(root: string): Plugin {
  return {
    name: "tenon-shell",
    apply: "build",
    // After the plugin that makes the page.
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const hash = createHash("sha256");
        const files: string[] = [];
        const take = (path: string, bytes: string | Uint8Array) => {
          files.push(`/${path}`);
          hash.update(path).update(bytes);
        };
        for (const [path, file] of Object.entries(bundle).sort(([a], [b]) => (a < b ? -1 : 1))) take(path, file.type === "chunk" ? file.code : file.source);
        for (const path of readdirSync(join(root, "public")).filter((path) => !BIG.test(path)).sort()) take(path, readFileSync(join(root, "public", path)));
        const text = readFileSync(join(root, "src/shell/sw.js"), "utf8");
        const version = hash.update(text).digest("hex").slice(0, 16);
        this.emitFile({ type: "asset", fileName: "sw.js", source: `const FILES = ${JSON.stringify(files)};\nconst VERSION = "${version}";\n${text}` });
      },
    },
  };
}
