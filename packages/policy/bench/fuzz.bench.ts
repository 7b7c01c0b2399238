import { compileSelector, parseSelector, SelectorError } from "@fairlead/api";
import type { Bench } from "../../../scripts/bench.ts";
import { Calculator } from "../src/calc/calculator.ts";
import { FelixSettings } from "../src/felix-settings.ts";
import { HostEndpoints } from "../src/host/host-endpoints.ts";
import { Transaction } from "../src/nftables/transaction.ts";
import { ObjectReader } from "../src/objects.ts";
import { comment, hashed } from "../src/render/names.ts";
import { defaultSettings } from "../src/settings.ts";
import { strangeIn } from "../src/testbed/encoded.ts";
import { batchSize, examine, hostileBatch, smallest } from "../src/testbed/fuzz.ts";
import { hostileObject, hostileText } from "../src/testbed/hostile.ts";
import { type Draws, seeded } from "../src/testbed/seeded.ts";

const seed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 2 ** 31);

/** One kind of input: what it does with the next one; it throws what must not happen. */
interface Target {
  readonly name: string;
  readonly inputs: number;
  /** Makes what a run of inputs shares. */
  open(): (draws: Draws) => void;
}

const targets: readonly Target[] = [
  { name: "selectors, parsed and evaluated", inputs: 550_000, open: () => selector },
  { name: "names and comments, encoded and read back", inputs: 250_000, open: () => encode },
  { name: "objects, validated and read", inputs: 150_000, open: () => read(new Calculator()) },
];
const wholeInputs = 50_000;

function selector(draws: Draws): void {
  const text = draws.pick([hostileText(draws), `a == '${hostileText(draws)}'`, `has(${hostileText(draws)})`]);
  try {
    compileSelector(parseSelector(text))({ [hostileText(draws)]: hostileText(draws) });
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
  }
}

function encode(draws: Draws): void {
  const text = hostileText(draws);
  const name = hashed("ingress", text);
  const transaction = new Transaction(1);
  const set = { name: hashed("addresses-4", text), key: ["ip saddr"], comment: comment(text) } as const;
  transaction.change(
    { family: "inet", name: "fairlead" },
    {
      chains: [{ name, comment: comment(text), rules: [] }],
      removedChains: [],
      sets: [set],
      removedSets: [],
      addedElements: new Map(),
      removedElements: new Map(),
    },
  );
  const strange = strangeIn(transaction.finish());
  if (strange.length > 0) throw new Error(strange.join("; "));
}

function read(calculator: Calculator): (draws: Draws) => void {
  const hosts = new HostEndpoints(calculator, "node");
  const reader = new ObjectReader({ calculator, hosts, felix: new FelixSettings("node", defaultSettings) });
  return (draws) => {
    const [kind, object] = hostileObject(draws);
    reader.upsert(kind, object);
    const { name = "", namespace } = object.metadata ?? {};
    reader.remove(kind, namespace === undefined ? { name } : { name, namespace });
  };
}

/**
 * A million hostile inputs. Whatever is not an answer or a typed refusal ends the run, and FAIRLEAD_SEED makes the same inputs again.
 */
export default async function fuzz(bench: Bench): Promise<void> {
  bench.say(`FAIRLEAD_SEED=${seed}`);
  for (const { name, inputs, open } of targets) {
    const act = open();
    const begin = performance.now();
    for (let index = 0; index < inputs; index++) {
      try {
        act(seeded(Math.imul(seed, 1_000_003) + index));
      } catch (cause) {
        throw new Error(`${name}: broken by input ${index} of FAIRLEAD_SEED=${seed}`, { cause });
      }
    }
    report(bench, `${name}: ${inputs} inputs`, inputs, begin);
  }
  await fuzzWhole(bench);
}

async function fuzzWhole(bench: Bench): Promise<void> {
  const begin = performance.now();
  let bytes = 0;
  for (let batch = 0; batch < wholeInputs / batchSize; batch++) {
    const inputs = hostileBatch(seed, batch);
    const outcome = await examine(inputs);
    bytes += outcome.bytes;
    if (outcome.strange.length === 0) continue;
    const culprits = JSON.stringify(await smallest(inputs));
    throw new Error(`batch ${batch} of FAIRLEAD_SEED=${seed}: ${outcome.strange[0]}; smallest: ${culprits}`);
  }
  report(bench, `objects, from the engine to netlink: ${wholeInputs} inputs`, wholeInputs, begin);
  bench.report({ name: "transactions read back without anything strange", value: bytes, unit: "bytes" });
}

function report(bench: Bench, name: string, inputs: number, begin: number): void {
  bench.report({ name, value: (inputs / (performance.now() - begin)) * 1000, unit: "1/s" });
}
