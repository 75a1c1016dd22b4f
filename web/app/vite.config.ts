import react from "@vitejs/plugin-react";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const server = process.env["TENON_URL"] ?? "http://127.0.0.1:7700";

/** Everything that a first visit loads, compressed, must stay below this. */
const BUDGET_BYTES = 250 * 1024;

/** Fails the build when the budget is passed. */
const budget: Plugin = {
  name: "budget",
  writeBundle(_, bundle) {
    const parts = Object.values(bundle).map((file) => (file.type === "chunk" ? file.code : file.source));
    const bytes = parts.reduce((sum, part) => sum + gzipSync(part).length, 0);
    if (bytes > BUDGET_BYTES) this.error(`the build has ${bytes} bytes compressed, ${BUDGET_BYTES} allowed`);
  },
};

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), budget],
  build: { outDir: "../dist", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/v1": { target: server, ws: true } } },
  preview: { proxy: { "/v1": { target: server, ws: true } } },
});
