import { describe, expect, it } from "vitest";
import { createBeenReadyInMemory, createNodeReadiness } from "./readiness.ts";

function start(beenReady = createBeenReadyInMemory()) {
  const kernel = { ready: true };
  const warnings: object[] = [];
  const readiness = createNodeReadiness({
    policy: {
      health: () => ({
        ...kernel,
        endpoints: 0,
        policies: 0,
        sets: 0,
        transactions: 1,
        repairs: 0,
        problems: [],
      }),
    },
    beenReady,
    log: { info() {}, warn: (fields) => void warnings.push(fields), error() {} },
  });
  return { kernel, warnings, readiness, beenReady };
}

describe("STATUS of a node", () => {
  it("says no until its agent has been ready once", () => {
    const { readiness, kernel } = start();
    expect(readiness.status()).toMatchObject({ ready: false, code: "NotAvailable" });
    kernel.ready = false;
    readiness.known();
    expect(readiness.status()).toMatchObject({
      ready: false,
      reason: "policy is not in the kernel: starting",
    });
    kernel.ready = true;
    expect(readiness.status()).toEqual({ ready: true });
  });

  it("says yes while the next agent starts, and says so in the log, once", () => {
    const before = start();
    before.readiness.known();
    const { readiness, warnings } = start(before.beenReady);
    expect([readiness.status(), readiness.status()]).toEqual([{ ready: true }, { ready: true }]);
    expect(warnings).toEqual([{ reason: "the cluster's objects have not been read yet" }]);
    expect(readiness.complaints()).toHaveLength(1);
  });

  it("says yes while the kernel refuses a change, and the agent says that it is not ready", () => {
    const { readiness, kernel } = start();
    readiness.known();
    kernel.ready = false;
    expect(readiness.status()).toEqual({ ready: true });
    expect(readiness.complaints()).toEqual(["policy is not in the kernel: starting"]);
  });

  it("an agent that only answers its probe makes the node ready, too", () => {
    const { readiness, kernel, beenReady } = start();
    kernel.ready = false;
    readiness.known();
    expect(beenReady.isSet()).toBe(false);
    kernel.ready = true;
    readiness.complaints();
    expect(beenReady.isSet()).toBe(true);
  });
});
