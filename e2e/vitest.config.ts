import { defineConfig } from "vitest/config";

/** Runs inside a lab: `npm run lab -- run -- vitest run --config e2e/vitest.config.ts`. One VM at a time, one file after the other. */
export default defineConfig({
  test: {
    name: "e2e",
    root: import.meta.dirname,
    include: ["src/**/*.test.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
