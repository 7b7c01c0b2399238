import { mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../objects.ts";
import { Store } from "./store.ts";

const directories: string[] = [];
const logPath = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-store-"));
  directories.push(directory);
  return join(directory, "store.log");
};
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

const object = (name: string, value: number): KubeObject => ({
  apiVersion: "v1",
  kind: "Thing",
  metadata: { name },
  value,
});

type Step = { readonly name: string; readonly value?: number };
const steps = fc.array(
  fc.record({ name: fc.constantFrom("a", "b", "c", "d"), value: fc.option(fc.nat(9), { nil: undefined }) }),
  { maxLength: 40 },
);

function run(store: Store, step: Step): void {
  const things = store.collection("/things");
  if (step.value !== undefined) store.put(things, step.name, object(step.name, step.value));
  else {
    const stored = things.get(step.name);
    if (stored) store.remove(things, stored);
  }
}

const state = (store: Store) =>
  store
    .collection("/things")
    .sorted()
    .map((stored) => stored.text());

describe("store", () => {
  test("shows every past version as it was then", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const store = new Store({ history: 1000 });
        const past = new Map<number, string[]>([[store.version, []]]);
        for (const step of sequence) {
          run(store, step);
          past.set(store.version, state(store));
        }
        for (const [version, expected] of past) {
          const shown = store.collection("/things").sortedAt(version);
          expect(shown?.map((stored) => stored.text())).toEqual(expected);
        }
      }),
    );
  });

  test("replaying the changes since a version leads from its state to the present one", () => {
    fc.assert(
      fc.property(steps, fc.nat(40), (sequence, cut) => {
        const store = new Store({ history: 1000 });
        sequence.slice(0, cut).forEach((step) => void run(store, step));
        const seen = new Map(
          store
            .collection("/things")
            .sorted()
            .map((s) => [s.key, s.text()]),
        );
        const from = store.version;
        sequence.slice(cut).forEach((step) => void run(store, step));
        for (const change of store.collection("/things").since(from)) {
          expect(change.type === "ADDED").toBe(!seen.has(change.current.key));
          if (change.type === "DELETED") seen.delete(change.current.key);
          else seen.set(change.current.key, change.current.text());
        }
        expect([...seen.values()].sort()).toEqual([...state(store)].sort());
      }),
    );
  });

  test("comes back from its log with the same objects, versions and history", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const path = logPath();
        const store = new Store({ history: 1000, logPath: path });
        for (const step of sequence) run(store, step);
        store.close();
        const again = new Store({ history: 1000, logPath: path });
        expect(again.version).toBe(store.version);
        expect(state(again)).toEqual(state(store));
        const versions = (s: Store) =>
          s
            .collection("/things")
            .since(0)
            .map((change) => change.version);
        expect(versions(again)).toEqual(versions(store));
        again.close();
      }),
      { numRuns: 25 },
    );
  });

  test("drops a last line that was cut off in the middle", () => {
    const path = logPath();
    const store = new Store({ history: 10, logPath: path });
    run(store, { name: "a", value: 1 });
    run(store, { name: "b", value: 2 });
    store.close();
    truncateSync(path, readFileSync(path).length - 5);
    const again = new Store({ history: 10, logPath: path });
    expect(
      again
        .collection("/things")
        .sorted()
        .map((s) => s.key),
    ).toEqual(["a"]);
    run(again, { name: "c", value: 3 });
    again.close();
    const third = new Store({ history: 10, logPath: path });
    expect(
      third
        .collection("/things")
        .sorted()
        .map((s) => s.key),
    ).toEqual(["a", "c"]);
    third.close();
  });

  test("forgets history beyond its limit, and all of it when compacted", () => {
    const path = logPath();
    const store = new Store({ history: 10, logPath: path });
    for (let value = 0; value < 40; value++) run(store, { name: "a", value });
    const things = store.collection("/things");
    expect(things.compacted).toBeGreaterThan(1);
    expect(things.sortedAt(things.compacted - 1)).toBeUndefined();
    store.compact();
    expect(things.compacted).toBe(store.version);
    expect(things.since(0)).toEqual([]);
    store.close();
    const again = new Store({ history: 10, logPath: path });
    expect(again.version).toBe(store.version);
    expect(again.collection("/things").compacted).toBe(store.version);
    expect(state(again)).toEqual(state(store));
    again.close();
  });
});
