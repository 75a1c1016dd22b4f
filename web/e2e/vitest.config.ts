import { defineConfig } from "vitest/config";

/** The browser suite: one file at a time, so that a small machine runs one server and one browser. */
export default defineConfig({
  cacheDir: "../node_modules/.vite-e2e",
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    fileParallelism: false,
    pool: "forks",
    // Tests without a browser speak with the server as devices do; older versions of Node hide their WebSocket.
    poolOptions: { forks: { execArgv: ["--experimental-websocket"] } },
    // Every step waits for a condition; these only end a run that hangs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 50 } },
  },
});
