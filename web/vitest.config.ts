import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.{ts,tsx}", "app/test/**/*.test.{ts,tsx}"],
    // No test waits; a busy machine only makes the long ones longer.
    testTimeout: 60_000,
  },
});
