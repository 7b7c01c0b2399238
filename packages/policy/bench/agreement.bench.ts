import fc from "fast-check";
import type { Bench } from "../../../scripts/bench.ts";
import { anyQuestion, ask } from "../src/testbed/agreement.ts";
import { openWorld } from "../src/testbed/world.ts";

const wanted = 22_000;

/** Random policies and packets: how often kernel and evaluator differ, which must be never. */
export default async function agreement(bench: Bench): Promise<void> {
  const seed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 2 ** 31);
  await using world = await openWorld({ settings: { defaultEndpointToHostAction: "Accept" } });
  let verdicts = 0;
  let different = 0;
  let allowed = 0;
  const begin = performance.now();
  for (const question of fc.sample(anyQuestion({ policies: 6, packets: 110 }), { numRuns: 1_000, seed })) {
    if (verdicts >= wanted) break;
    const outcome = await ask(world, question);
    verdicts += question.packets.length;
    different += outcome.disagreements.length;
    allowed += outcome.allowed;
    if (outcome.disagreements.length > 0) bench.say(JSON.stringify({ question, ...outcome }));
  }
  bench.say(`FAIRLEAD_SEED=${seed}: ${verdicts} verdicts, ${allowed} packets allowed`);
  bench.report({ name: "verdicts on which kernel and evaluator differ", value: different, unit: "verdicts" });
  bench.report({
    name: "verdicts, policies changing in between",
    value: (verdicts / (performance.now() - begin)) * 1000,
    unit: "1/s",
  });
}
