import type { Dataplane, Receipt } from "../dataplane.ts";
import type { PolicyObject } from "../engine.ts";
import { createPolicyEngine } from "../index.ts";
import { Transaction } from "../nftables/transaction.ts";
import { draftChange } from "../ruleset/difference.ts";
import type { RulesetChange } from "../ruleset/ruleset.ts";
import { strangeIn } from "./encoded.ts";
import { hostileObject, type Input, victim } from "./hostile.ts";
import { seeded } from "./seeded.ts";

const tables = { main: "inet", arp: "arp" } as const;

/** Encodes what it is told as for the kernel, and reads it back instead of sending it. */
class Examiner implements Dataplane {
  readonly strange: string[] = [];
  bytes = 0;

  reconcile(desired: Parameters<Dataplane["reconcile"]>[0]): Receipt {
    const whole = ({ chains, sets, elements }: (typeof desired)["main"]) => ({
      ...draftChange(),
      chains: [...chains.values()],
      sets: [...sets.values()],
      addedElements: new Map([...elements].map(([name, members]) => [name, [...members.values()]])),
    });
    return this.apply({ main: whole(desired.main), arp: whole(desired.arp) });
  }

  apply(change: RulesetChange): Receipt {
    const transaction = new Transaction(1);
    for (const name of ["main", "arp"] as const) {
      const part = change[name];
      if (part !== undefined) transaction.change({ family: tables[name], name: "fairlead" }, part);
    }
    const bytes = transaction.finish();
    this.strange.push(...strangeIn(bytes));
    this.bytes += bytes.length;
    return { messages: transaction.messages, bytes: bytes.length };
  }

  disturbed(): boolean {
    return false;
  }

  health() {
    return { exclusive: true };
  }

  close(): void {}
}

/** Inputs that go to an engine together, in one transaction. */
export const batchSize = 250;

/** The inputs of a batch; the same for the same seed and number. */
export function hostileBatch(seed: number, batch: number, size = batchSize): Input[] {
  const draws = seeded(Math.imul(seed, 1_000_003) + batch);
  return Array.from({ length: size }, () => hostileObject(draws));
}

/** Gives an engine all of these objects at once, then takes them away. What is strange about the transactions this makes. */
export async function examine(inputs: readonly Input[]): Promise<{ strange: string[]; bytes: number }> {
  const examiner = new Examiner();
  const engine = createPolicyEngine({ dataplane: examiner, nodeName: "node" });
  const failures: string[] = [];
  try {
    await engine.start();
    engine.endpoints.upsert(victim);
    engine.synced();
    for (const [kind, object] of inputs) engine.objects.upsert(kind, object);
    await engine.settled({ signal: AbortSignal.timeout(30_000) });
    for (const [kind, object] of inputs) engine.objects.remove(kind, refOf(object));
    await engine.settled({ signal: AbortSignal.timeout(30_000) });
  } catch (error) {
    failures.push(error instanceof Error ? `${error.message}` : String(error));
  }
  const refused = engine.health().problems.filter(({ kind }) => kind === "Dataplane");
  failures.push(...refused.map(({ message }) => message));
  await engine.close();
  return { strange: [...failures, ...examiner.strange], bytes: examiner.bytes };
}

function refOf({ metadata }: PolicyObject) {
  const { name = "", namespace } = metadata ?? {};
  return namespace === undefined ? { name } : { name, namespace };
}

/** The smallest part of a batch that is still strange, found by halving; for the message of a failure. */
export async function smallest(inputs: readonly Input[]): Promise<readonly Input[]> {
  for (let size = 1; size < inputs.length; size *= 2) {
    for (let at = 0; at < inputs.length; at += size) {
      const part = inputs.slice(at, at + size);
      if ((await examine(part)).strange.length > 0) return part;
    }
  }
  return inputs;
}
