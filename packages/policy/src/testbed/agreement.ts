import fc from "fast-check";
import { compareVerdicts, type Disagreement, type World } from "./probe.ts";
import { anyPacket, anyPolicy, type RandomPacket, type RandomPolicy, toObject } from "./random-world.ts";

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

/** Puts the policies in force, sends the packets, takes the policies away again. */
export async function ask(
  { engine, ...world }: World,
  { policies, packets }: Question,
): Promise<{ readonly disagreements: readonly Disagreement[]; readonly allowed: number }> {
  const objects = policies.map((policy, index) => [policy.kind, toObject(policy, index)] as const);
  for (const [kind, object] of objects) engine.objects.upsert(kind, object);
  try {
    await engine.settled({ signal: AbortSignal.timeout(10_000) });
    const [problem] = engine.health().problems;
    if (problem !== undefined) throw new Error(`${problem.kind} ${problem.ref}: ${problem.message}`);
    return compareVerdicts({ engine, ...world }, packets);
  } finally {
    for (const [kind, { metadata }] of objects) {
      const { name = "", namespace } = metadata ?? {};
      engine.objects.remove(kind, namespace === undefined ? { name } : { name, namespace });
    }
  }
}
