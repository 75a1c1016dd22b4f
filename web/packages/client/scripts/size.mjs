// The bundle budget of the client: what an app pays for `import { Client } from "@tenon/client"`, compressed.

import { gzipSync } from "node:zlib";
import { build } from "vite";

/** Raised only with a sentence in the change that raises it. */
const BUDGET_BYTES = 66 * 1024;

const entry = new URL("../src/index.ts", import.meta.url).pathname;
const built = await build({
  configFile: false,
  logLevel: "silent",
  build: { write: false, target: "es2022", minify: "esbuild", lib: { entry, formats: ["es"], fileName: () => "client.js" } },
});
const chunks = [built].flat().flatMap((one) => one.output);
const bytes = chunks.reduce((sum, chunk) => sum + gzipSync(chunk.type === "chunk" ? chunk.code : chunk.source).length, 0);
console.log(`client ${bytes} of ${BUDGET_BYTES} bytes after gzip`);
if (bytes > BUDGET_BYTES) process.exit(1);
