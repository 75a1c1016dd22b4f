import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { budget } from "./build/budget.js";
import { preload } from "./build/preload.js";
import { shell } from "./build/shell.js";

const server = process.env["TENON_URL"] ?? "http://127.0.0.1:7700";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), preload, shell(import.meta.dirname), budget(new URL("../budget.json", import.meta.url))],
  build: { outDir: "../dist", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { "/v1": { target: server, ws: true } } },
  preview: { proxy: { "/v1": { target: server, ws: true } } },
});
