import type { Environment } from "@marcbachmann/cel-js";

type Ordered = bigint | number | string | boolean | Date;

const before = (a: Ordered, b: Ordered): boolean => a < b;

function extreme(
  list: readonly Ordered[],
  better: (a: Ordered, b: Ordered) => boolean,
  name: string,
): Ordered {
  const first = list[0];
  if (first === undefined) throw new Error(`${name} called on empty list`);
  return list.reduce((best, item) => (better(item, best) ? item : best), first);
}

function sum(list: readonly (bigint | number)[]): bigint | number {
  if (list.every((item) => typeof item === "bigint")) return list.reduce((total, item) => total + item, 0n);
  return list.reduce<number>((total, item) => total + Number(item), 0);
}

/** Kubernetes' list library: order and place of simple values. */
export function addListFunctions(environment: Environment): void {
  environment
    .registerFunction("list.isSorted(): bool", (list: Ordered[]) =>
      list.every((item, i) => i === 0 || !before(item, list[i - 1]!)),
    )
    .registerFunction("list.sum(): dyn", sum)
    .registerFunction("list.min(): dyn", (list: Ordered[]) => extreme(list, before, "min"))
    .registerFunction("list.max(): dyn", (list: Ordered[]) => extreme(list, (a, b) => before(b, a), "max"))
    .registerFunction("list.indexOf(dyn): int", (list: unknown[], item: unknown) =>
      BigInt(list.indexOf(item)),
    )
    .registerFunction("list.lastIndexOf(dyn): int", (list: unknown[], item: unknown) =>
      BigInt(list.lastIndexOf(item)),
    );
}
