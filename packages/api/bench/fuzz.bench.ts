import type { Bench } from "../../../scripts/bench.ts";
import { isApiError, ownKinds, parseLabelSelector, parseSelector, SelectorError } from "../src/index.ts";
import { selectorPieces } from "../src/selector/selector.fixture.ts";

const values = [
  null,
  0,
  -1,
  1e300,
  "",
  "x",
  "10.0.0.0/8",
  "fd00::/64",
  [],
  {},
  [{}],
  true,
  5n,
  "all()",
  ["a"],
  { a: 1 },
];
const fields = [
  "cidr",
  "blockSize",
  "selector",
  "ingress",
  "egress",
  "action",
  "protocol",
  "source",
  "nets",
  "node",
  "state",
  "block",
  "allocations",
  "unallocated",
  "attributes",
  "handleID",
  "types",
];

/** A million hostile inputs. Anything but an answer or a typed refusal ends the run with the input that did it. */
export default function fuzz(bench: Bench): Promise<void> {
  const random = generator(20_261_122);
  const pick = <T>(from: readonly T[]): T => from[random() % from.length] as T;
  const text = () => Array.from({ length: random() % 12 }, () => pick(selectorPieces)).join("");
  const tree = (depth: number): unknown =>
    depth === 0 || random() % 3 === 0
      ? pick(values)
      : Object.fromEntries(Array.from({ length: random() % 5 }, () => [pick(fields), tree(depth - 1)]));
  run(bench, "selectors", 600_000, text, parseSelector);
  run(bench, "label selectors", 200_000, text, parseLabelSelector);
  const kinds = Object.values(ownKinds);
  run(
    bench,
    "resources",
    200_000,
    () => tree(4),
    (spec) => pick(kinds).schema.check({ metadata: { name: "default" }, spec }),
  );
  return Promise.resolve();
}

function run<T>(bench: Bench, name: string, count: number, make: () => T, act: (input: T) => unknown): void {
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const input = make();
    try {
      act(input);
    } catch (error) {
      if (error instanceof SelectorError || isApiError(error)) continue;
      throw new Error(`${name}: broken by ${String(input)}`, { cause: error });
    }
  }
  const seconds = (performance.now() - start) / 1000;
  bench.report({ name: `${name}: ${count} inputs answered or refused`, value: count / seconds, unit: "1/s" });
}

/** A linear congruential generator: the same inputs each time. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}
