import type { Bench } from "../../../scripts/bench.ts";
import { simulate } from "../src/fake.ts";

/** 1,000,000 steps of random history: nodes, VMs, migrations, late news, crashes, lost answers, clock jumps. A violation ends it with its seed. */
export default async function history(bench: Bench): Promise<void> {
  const seeds = 50;
  const stepsPerSeed = 20_000;
  const base = Number(process.env.FAIRLEAD_SEED ?? 100);
  const started = performance.now();
  const sum = { steps: 0, assigned: 0, migrated: 0, crashes: 0, faults: 0, collected: 0 };
  for (let seed = base; seed < base + seeds; seed++) {
    const result = await simulate(seed, stepsPerSeed);
    for (const key of ["steps", "assigned", "migrated", "crashes", "faults", "collected"] as const)
      sum[key] += result[key];
  }
  bench.report({ name: "steps without a violation", value: sum.steps, unit: "steps" });
  bench.report({ name: "addresses given", value: sum.assigned, unit: "" });
  bench.report({ name: "migrations", value: sum.migrated, unit: "" });
  bench.report({ name: "processes killed between two calls", value: sum.crashes, unit: "" });
  bench.report({ name: "calls failed, refused, or with a lost answer", value: sum.faults, unit: "" });
  bench.report({ name: "leaks collected", value: sum.collected, unit: "" });
  bench.report({ name: "speed", value: (sum.steps / (performance.now() - started)) * 1000, unit: "steps/s" });
}
