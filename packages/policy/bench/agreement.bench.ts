import fc from "fast-check";
import type { Bench } from "../../../scripts/bench.ts";
import { compareVerdicts } from "../src/testbed/probe.ts";
import { anyPacket, anyPolicy, toObject } from "../src/testbed/random-world.ts";
import { openWorld } from "../src/testbed/world.ts";

const runs = 200;
const packetsPerRun = 110;

/** Random policies and packets: how often kernel and evaluator differ, which must be never. */
export default async function agreement(bench: Bench): Promise<void> {
  const seed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 2 ** 31);
  await using world = await openWorld({ defaultEndpointToHostAction: "Accept" });
  const { engine } = world;
  const policySets = fc.sample(fc.array(anyPolicy, { maxLength: 6 }), { numRuns: runs, seed });
  const packetSets = fc.sample(fc.array(anyPacket, { minLength: packetsPerRun, maxLength: packetsPerRun }), {
    numRuns: runs,
    seed,
  });
  let different = 0;
  let allowed = 0;
  const begin = performance.now();
  for (const [index, policies] of policySets.entries()) {
    for (const [position, policy] of policies.entries())
      engine.objects.upsert(policy.kind, toObject(policy, position));
    await engine.settled();
    const outcome = compareVerdicts(world, packetSets[index] ?? []);
    different += outcome.disagreements.length;
    allowed += outcome.allowed;
    for (const [position, { kind, namespace }] of policies.entries()) {
      engine.objects.remove(kind, namespace ? { name: `p${position}`, namespace } : { name: `p${position}` });
    }
  }
  const verdicts = runs * packetsPerRun;
  bench.say(`seed ${seed}: ${verdicts} verdicts, ${allowed} packets allowed`);
  bench.report({ name: "verdicts on which kernel and evaluator differ", value: different, unit: "verdicts" });
  bench.report({
    name: "verdicts, policies changing in between",
    value: (verdicts / (performance.now() - begin)) * 1000,
    unit: "1/s",
  });
}
