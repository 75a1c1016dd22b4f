//! The raw device of `raw-device.ts` as one script for a page, where it is found as `raw`.

import { readFileSync } from "node:fs";
import { build } from "vite";

export async function rawDevice(): Promise<string> {
  const outDir = new URL("../../target/browser/raw", import.meta.url).pathname;
  const lib = { entry: new URL("raw-device.ts", import.meta.url).pathname, formats: ["iife" as const], name: "raw", fileName: () => "raw.js" };
  await build({ configFile: false, logLevel: "silent", build: { lib, outDir, emptyOutDir: true, minify: false } });
  return readFileSync(`${outDir}/raw.js`, "utf8");
}
