import type { Bench } from "../../../scripts/bench.ts";
import { compileSelector, parseSelector } from "../src/index.ts";

const text =
  "app == 'web' && tier in {'front', 'edge'} && !has(legacy) || pcns.kubernetes.io/metadata.name starts with 'team-'";

/** Selectors: how many a node can read and ask. The floor of asking is one property comparison. */
export default function selector(bench: Bench): Promise<void> {
  const parse = perCall(20_000, () => parseSelector(text));
  bench.report({ name: "read a selector of four tests", value: parse, unit: "µs" });
  const labels: Readonly<Record<string, string>> = {
    app: "web",
    tier: "edge",
    "projectcalico.org/namespace": "shop",
  };
  const matches = compileSelector(text);
  const ask = perCall(2_000_000, () => matches(labels));
  const floor = perCall(2_000_000, () => labels.app === "web");
  bench.report({
    name: "ask it",
    value: ask * 1000,
    unit: "ns",
    floor: { name: "one comparison", value: floor * 1000 },
  });
  return Promise.resolve();
}

function perCall(count: number, act: () => unknown): number {
  for (let i = 0; i < count / 10; i++) act();
  const start = performance.now();
  for (let i = 0; i < count; i++) act();
  return ((performance.now() - start) * 1000) / count;
}
