import { defineConfig } from "vitest/config";

const everywhere = ["packages/*/src/**", "lab/src/**", "scripts/**"];

/** unit: anywhere. kernel: needs root and Linux, makes its own namespaces. lab: needs QEMU and BIRD as well. */
export default defineConfig({
  test: {
    pool: "forks",
    globalSetup: ["./scripts/leftovers.ts"],
    // What is waited for comes at once, or late on a busy machine, or never.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: everywhere.map((d) => `${d}/*.test.ts`),
          exclude: ["**/*.kernel.test.ts", "**/*.lab.test.ts", "**/node_modules/**", "**/dist/**"],
          // Ends what hangs, and nothing that is only slow: a busy machine may take long to start a process.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "kernel",
          include: everywhere.map((d) => `${d}/*.kernel.test.ts`),
        },
      },
      {
        extends: true,
        test: {
          name: "lab",
          include: everywhere.map((d) => `${d}/*.lab.test.ts`),
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
