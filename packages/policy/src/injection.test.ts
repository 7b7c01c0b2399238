import { expect, test } from "vitest";
import { Transaction } from "./nftables/transaction.ts";
import type { Chain, NftSet, TableChange } from "./ruleset/ruleset.ts";
import { strangeIn } from "./testbed/encoded.ts";
import { examine, hostileBatch, smallest } from "./testbed/fuzz.ts";

/**
 * We write netlink messages, not rule text. What could be injected there: an attribute that ends elsewhere than its length says, a
 * message nobody wanted, a name or comment with characters that mean something to whoever reads `nft list`.
 */
const seed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 2 ** 31);
const patience = 60_000;
const batches = 8;

test(
  `hostile names, labels, annotations and values never become more than names (FAIRLEAD_SEED=${seed})`,
  async () => {
    let bytes = 0;
    for (let batch = 0; batch < batches; batch++) {
      const inputs = hostileBatch(seed, batch);
      const outcome = await examine(inputs);
      bytes += outcome.bytes;
      if (outcome.strange.length > 0)
        expect({ strange: outcome.strange, by: await smallest(inputs) }).toBeUndefined();
    }
    // Much of it was rendered; refusing everything would prove little.
    expect(bytes).toBeGreaterThan(batches * 50_000);
  },
  patience,
);

test("the same seed makes the same inputs", () => {
  expect(hostileBatch(7, 3)).toEqual(hostileBatch(7, 3));
  expect(hostileBatch(7, 3)).not.toEqual(hostileBatch(8, 3));
});

/** The examination itself has to notice. */
const nothing: TableChange = {
  chains: [],
  removedChains: [],
  sets: [],
  removedSets: [],
  addedElements: new Map(),
  removedElements: new Map(),
};
const encoded = (change: Partial<TableChange>, table = "fairlead") => {
  const transaction = new Transaction(1);
  transaction.change({ family: "inet", name: table }, { ...nothing, ...change });
  return transaction.finish();
};
const chain = (changes: Partial<Chain>): Chain => ({ name: "a", rules: [], ...changes });
const set = (changes: Partial<NftSet>): NftSet => ({ name: "a", key: ["ip saddr"], ...changes });

test.each<[string, Buffer]>([
  ["a chain's name with syntax in it", encoded({ chains: [chain({ name: 'a"; flush ruleset' })] })],
  ["a chain's name with a NUL in it", encoded({ chains: [chain({ name: "a\0b" })] })],
  ["a set's name with a line's end", encoded({ sets: [set({ name: "a\nb" })] })],
  ["a comment with a quotation mark", encoded({ chains: [chain({ comment: 'a" accept #' })] })],
  ["a set's comment with a control character", encoded({ sets: [set({ comment: "\x1b[2J" })] })],
  ["another table", encoded({ chains: [chain({})] }, "filter")],
  [
    "a set that is looked into by a strange name",
    encoded({
      chains: [chain({ rules: [[{ is: "lookup", fields: ["ip saddr"], set: "a;b", not: false }]] })],
    }),
  ],
  [
    "a log prefix with a quotation mark",
    encoded({ chains: [chain({ rules: [[{ is: "log", prefix: '"' }]] })] }),
  ],
  [
    "an interface's name that is too long",
    encoded({
      chains: [chain({ rules: [[{ is: "match", field: "iifname", op: "==", value: "61".repeat(17) }]] })],
    }),
  ],
  ["bytes left over", Buffer.concat([encoded({ chains: [chain({})] }), Buffer.alloc(8, 1)])],
])("the examination notices %s", (_name, bytes) => {
  expect(strangeIn(bytes)).not.toEqual([]);
});

test("the examination has nothing against names as they should be", () => {
  const change = { chains: [chain({ comment: "NetworkPolicy/shop/web" })], sets: [set({ comment: "a b" })] };
  expect(strangeIn(encoded(change))).toEqual([]);
});
