import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../apiserver/objects.ts";
import { nextScales, templateHash } from "./rollout.ts";

const deployment = (
  replicas: number,
  maxSurge: number | string,
  maxUnavailable: number | string,
): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "d" },
  spec: {
    replicas,
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } },
    template: {},
  },
});
const set = (uid: string, replicas: number, available: number): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  metadata: { name: uid, uid },
  spec: { replicas },
  status: { replicas, availableReplicas: available },
});

describe("a rolling update", () => {
  test("ends with all replicas in the new set, and is never short of what must stay available", () => {
    const cases = fc.record({
      wanted: fc.integer({ min: 0, max: 12 }),
      surge: fc.nat(4),
      unavailable: fc.nat(4),
    });
    fc.assert(
      fc.property(cases, ({ wanted, surge, unavailable }) => {
        const target = deployment(wanted, surge, unavailable);
        // The server refuses both at zero; at zero surge one must go first.
        const floor = wanted - Math.max(unavailable, surge === 0 ? 1 : 0);
        let [old, current] = [wanted, 0];
        for (let round = 0; round < 60 && (old > 0 || current < wanted); round++) {
          // Every round, all pods that were asked for have become available.
          const scales = nextScales(target, set("new", current, current), [set("old", old, old)]);
          const [nextOld, next] = [scales.get("old")!, scales.get("current")!];
          expect(nextOld + current).toBeGreaterThanOrEqual(floor);
          expect(Math.max(old + next, 0)).toBeLessThanOrEqual(Math.max(wanted + surge, old + current));
          [old, current] = [nextOld, next];
        }
        expect([old, current]).toEqual([0, wanted]);
      }),
    );
  });

  test("without pods of the old template starts all at once", () => {
    expect(nextScales(deployment(3, "25%", "25%"), undefined, []).get("current")).toBe(3);
  });
});

test("a template's hash depends on the template alone", () => {
  const one = deployment(1, 1, 1);
  expect(templateHash(one)).toBe(templateHash(deployment(5, 0, 2)));
  const other = { ...one, spec: { template: { metadata: { labels: { a: "b" } } } } };
  expect(templateHash(other)).not.toBe(templateHash(one));
});
