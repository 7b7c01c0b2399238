import fc from "fast-check";
import { compareVerdicts, type Disagreement, type World } from "./probe.ts";
import { anyPacket, type RandomPacket } from "./random-packet.ts";
import { anyPolicy, type RandomPolicy, toObject } from "./random-policy.ts";
import type { PolicyInput } from "./world.ts";

/** What is drawn: policies, and packets to send while they are in force. Both shrink towards none. */
export const anyQuestion = (most: { policies: number; packets: number }) =>
  fc.record({
    policies: fc.array(anyPolicy, { maxLength: most.policies }),
    packets: fc.noBias(fc.array(anyPacket, { maxLength: most.packets, size: "max" })),
  });

export interface Question {
  readonly policies: readonly RandomPolicy[];
  readonly packets: readonly RandomPacket[];
}

/**
 * Puts the policies in force, sends the packets, takes the policies away again.
 *
 * @param meanwhile something that happens to the kernel or the engine before the packets are sent
 */
export async function ask(
  world: World,
  { policies, packets }: Question,
  meanwhile: (objects: readonly PolicyInput[]) => Promise<void> = async () => {},
): Promise<{ readonly disagreements: readonly Disagreement[]; readonly allowed: number }> {
  const objects = policies.map((policy, index) => [policy.kind, toObject(policy, index)] as const);
  for (const [kind, object] of objects) world.engine.objects.upsert(kind, object);
  try {
    await world.engine.settled({ signal: AbortSignal.timeout(30_000) });
    const [problem] = world.engine.health().problems;
    if (problem !== undefined) throw new Error(`${problem.kind} ${problem.ref}: ${problem.message}`);
    await meanwhile(objects);
    return compareVerdicts(world, packets);
  } finally {
    for (const [kind, { metadata }] of objects) {
      const { name = "", namespace } = metadata ?? {};
      world.engine.objects.remove(kind, namespace === undefined ? { name } : { name, namespace });
    }
  }
}
