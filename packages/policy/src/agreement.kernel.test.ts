import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Dataplane } from "./dataplane.ts";
import type { Rule, Ruleset, RulesetChange, Statement, TableChange } from "./ruleset/ruleset.ts";
import { anyQuestion, ask } from "./testbed/agreement.ts";
import { openWorld, type RandomWorld } from "./testbed/world.ts";

/** Milliseconds; a busy machine is no failure. */
vi.setConfig({ testTimeout: 240_000 });

let world: RandomWorld;

afterEach(async () => {
  await world?.[Symbol.asyncDispose]();
});

/** Accept, so that workloads' egress policy decides about the node too. */
const settings = { defaultEndpointToHostAction: "Accept" } as const;
const most = { policies: 5, packets: 90 };
const runs = 64;
const seed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 2 ** 31);

test(`kernel and evaluator agree on 2,000 packets and more (FAIRLEAD_SEED=${seed})`, async () => {
  world = await openWorld({ settings });
  let verdicts = 0;
  let allowed = 0;
  await fc.assert(
    fc.asyncProperty(anyQuestion(most), async (question) => {
      const outcome = await ask(world, question);
      verdicts += question.packets.length;
      allowed += outcome.allowed;
      expect(outcome.disagreements).toEqual([]);
    }),
    { numRuns: runs, seed },
  );
  expect(verdicts).toBeGreaterThanOrEqual(2_000);
  // Neither all nor nothing: otherwise the comparison would prove little.
  expect(allowed).toBeGreaterThan(verdicts * 0.1);
  expect(allowed).toBeLessThan(verdicts * 0.95);
});

/** What befalls the rules while policies are in force. */
const mishaps: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "the ruleset is flushed": [["flush", "ruleset"]],
  "a chain of workloads is emptied": [["flush", "chain", "inet", "fairlead", "forward-to-workload"]],
  "the chain of the host endpoint is emptied": [["flush", "chain", "inet", "fairlead", "host-in"]],
  "everything is accepted first": [
    ["insert", "rule", "inet", "fairlead", "forward-to-workload", "accept"],
    ["insert", "rule", "inet", "fairlead", "host-in", "accept"],
  ],
  nothing: [],
};

describe.each([false, true])("with the agent ended meanwhile: %s", (ended) => {
  test(`they agree after mishaps (FAIRLEAD_SEED=${seed})`, async () => {
    world = await openWorld({ settings, exclusive: false });
    const questions = fc.sample(anyQuestion({ policies: 5, packets: 40 }), { seed, numRuns: 15 });
    for (const [index, question] of questions.entries()) {
      const [name, commands] = Object.entries(mishaps)[index % 5] as [string, string[][]];
      const { disagreements } = await ask(world, question, async (objects) => {
        const { repairs } = world.engine.health();
        const tamper = () => {
          for (const command of commands) world.testbed.run(() => execFileSync("nft", command));
        };
        if (ended) {
          await world.engine.close();
          tamper();
          await world.restart(objects);
        } else if (commands.length > 0) {
          tamper();
          await expect
            .poll(() => world.engine.health().repairs, { timeout: 30_000 })
            .toBeGreaterThan(repairs);
          await world.engine.settled({ signal: AbortSignal.timeout(30_000) });
        }
      });
      expect(disagreements, name).toEqual([]);
    }
  });
});

/** Faults as a renderer might have them: what is left out of a rule. Each lets more through, so that nothing has to be waited for. */
const faults: readonly (readonly [name: string, leavesOut: (statement: Statement, rule: Rule) => boolean])[] =
  [
    ["exceptions are forgotten", (it, rule) => allows(rule) && it.is === "lookup" && it.not],
    ["protocols are forgotten", (it, rule) => allows(rule) && it.is === "match" && it.field === "l4proto"],
    ["denials are forgotten", (it) => it.is === "verdict" && it.verdict === "drop"],
  ];

const allows = (rule: Rule) => rule.some((it) => it.is === "verdict" && it.verdict === "accept");

test.each(faults)("a fault is found and shrunk to a small example: %s", async (_name, leavesOut) => {
  world = await openWorld({ settings, between: (kernel) => spoiled(kernel, leavesOut) });
  const result = await fc.check(
    fc.asyncProperty(anyQuestion({ policies: 5, packets: 30 }), async (question) => {
      const { disagreements } = await ask(world, question);
      return disagreements.length === 0;
    }),
    { seed: 1, numRuns: 200 },
  );
  expect(result.failed).toBe(true);
  const [question] = result.counterexample ?? [];
  expect(question?.policies.length).toBeLessThanOrEqual(1);
  expect(question?.packets).toHaveLength(1);
});

/** Spoils only policies; a firewall without its base rules would be too easy to find. */
function spoiled(kernel: Dataplane, leavesOut: (typeof faults)[number][1]): Dataplane {
  const chain = (it: TableChange["chains"][number]) =>
    /^(in|e)gress-/.test(it.name)
      ? { ...it, rules: it.rules.map((rule) => rule.filter((statement) => !leavesOut(statement, rule))) }
      : it;
  const ruleset = ({ main, arp }: Ruleset): Ruleset => ({
    arp,
    main: { ...main, chains: new Map([...main.chains].map(([name, it]) => [name, chain(it)])) },
  });
  const change = ({ main, ...rest }: RulesetChange): RulesetChange =>
    main === undefined ? rest : { ...rest, main: { ...main, chains: main.chains.map(chain) } };
  return {
    reconcile: (desired, options) => kernel.reconcile(ruleset(desired), options),
    apply: (difference) => kernel.apply(change(difference)),
    disturbed: () => kernel.disturbed(),
    health: () => kernel.health(),
    close: () => kernel.close(),
  };
}
