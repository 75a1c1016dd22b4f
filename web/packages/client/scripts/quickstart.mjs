// The code of `docs/quickstart-web.md` as files in `.quickstart`, to be compiled and run: what the page says is what works.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(import.meta.dirname, "../../..");
const page = resolve(root, "../docs/quickstart-web.md");

/** Writes every block of the page into a file of the name in its first line; gives the paths by name. */
export function extract() {
  const target = resolve(root, ".quickstart");
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const files = new Map();
  for (const [, code = ""] of readFileSync(page, "utf8").matchAll(/```tsx?\n(.*?)```/gs)) {
    const name = /^\/\/ (\S+)$/m.exec(code)?.[1];
    if (name === undefined || files.has(name)) throw new Error(`a block has no name of its own: ${code.slice(0, 60)}`);
    const path = resolve(target, name);
    writeFileSync(path, code);
    files.set(name, path);
  }
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) extract();
