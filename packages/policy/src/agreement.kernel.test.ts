import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PolicyEngine } from "./engine.ts";
import { compareVerdicts, type World } from "./testbed/probe.ts";
import { anyPacket, anyPolicy, toObject } from "./testbed/random-world.ts";
import { openWorld } from "./testbed/world.ts";

let world: World & AsyncDisposable;
let engine: PolicyEngine;

beforeAll(async () => {
  // Accept, so that workloads' egress policy decides about the node too.
  world = await openWorld({ defaultEndpointToHostAction: "Accept" });
  engine = world.engine;
});

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const runs = 24;
const packetsPerRun = 90;
const seed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 2 ** 31);

test(`kernel and evaluator agree on ${runs * packetsPerRun} packets (seed ${seed})`, async () => {
  let verdicts = 0;
  let allowed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyPolicy, { maxLength: 5 }),
      fc.array(anyPacket, { minLength: packetsPerRun, maxLength: packetsPerRun }),
      async (policies, packets) => {
        for (const [index, policy] of policies.entries())
          engine.objects.upsert(policy.kind, toObject(policy, index));
        try {
          await engine.settled({ signal: AbortSignal.timeout(5_000) });
          expect(engine.health().problems).toEqual([]);
          verdicts += packets.length;
          const outcome = compareVerdicts(world, packets);
          allowed += outcome.allowed;
          expect(outcome.disagreements).toEqual([]);
        } finally {
          for (const [index, policy] of policies.entries()) {
            const { namespace } = policy;
            engine.objects.remove(
              policy.kind,
              namespace ? { name: `p${index}`, namespace } : { name: `p${index}` },
            );
          }
        }
      },
    ),
    { numRuns: runs, seed, endOnFailure: false },
  );
  expect(verdicts).toBeGreaterThanOrEqual(2_000);
  // Neither all nor nothing: otherwise the comparison would prove little.
  expect(allowed).toBeGreaterThan(verdicts * 0.1);
  expect(allowed).toBeLessThan(verdicts * 0.95);
});
