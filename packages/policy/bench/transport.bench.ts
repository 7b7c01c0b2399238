import { execFileSync } from "node:child_process";
import { NetworkNamespace } from "@fairlead/netlink";
import koffi from "koffi";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import { NftablesSocket } from "../src/nftables/socket.ts";
import { createNftablesDataplane } from "../src/nftables.ts";
import { type Element, emptyRuleset, type Ruleset } from "../src/ruleset/ruleset.ts";
import { accept, inSet } from "../src/ruleset/statement.ts";

const setCount = 1_000;
const rounds = 60;

/** A ruleset of the size of a busy node. */
function ruleset(): Ruleset {
  const whole = emptyRuleset();
  for (let index = 0; index < setCount; index++) {
    const members = Array.from(
      { length: 50 },
      (_, member): Element => ({ key: (0x0a000000 + index * 64 + member).toString(16).padStart(8, "0") }),
    );
    whole.main.sets.set(`s${index}`, { name: `s${index}`, key: ["ip daddr"] });
    whole.main.elements.set(`s${index}`, new Map(members.map((member) => [member.key, member])));
    whole.main.chains.set(`c${index}`, {
      name: `c${index}`,
      rules: [[inSet(["ip daddr"], `s${index}`), accept]],
    });
  }
  return whole;
}

const milliseconds = (work: (round: number) => void): number => {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    work(round);
    samples.push(performance.now() - begin);
  }
  return quantile(samples, 0.5);
};

/** One element into one set of a large ruleset: by our netlink messages, by libnftables in process, by the program. */
export default async function transport(bench: Bench): Promise<void> {
  using netns = NetworkNamespace.create();
  const dataplane = createNftablesDataplane({ netns, exclusive: false });
  dataplane.reconcile(ruleset());
  using socket = NftablesSocket.open({ netns });
  const floor = { name: "one question to nf_tables", value: milliseconds(() => void socket.generation()) };
  const nothing = { chains: [], removedChains: [], sets: [], removedSets: [], removedElements: new Map() };
  const address = (round: number) => `192.0.2.${round}`;
  const own = milliseconds((round) => {
    const element = { key: `c0000${(512 + round).toString(16)}` };
    dataplane.apply({ main: { ...nothing, addedElements: new Map([["s1", [element]]]) } });
  });
  bench.report({ name: "netlink messages", value: own, unit: "ms", floor });
  const library = koffi.load("libnftables.so.1");
  const create = library.func("void *nft_ctx_new(uint32_t flags)");
  const run = library.func("int nft_run_cmd_from_buffer(void *context, const char *text)");
  const context = netns.run(() => create(0));
  const inProcess = milliseconds((round) => {
    if (run(context, `add element inet fairlead s2 { ${address(round)} }`) !== 0)
      throw new Error("libnftables refused");
  });
  bench.report({ name: "libnftables, in process", value: inProcess, unit: "ms", floor });
  const program = milliseconds((round) => {
    netns.run(() =>
      execFileSync("nft", ["-f", "-"], { input: `add element inet fairlead s3 { ${address(round)} }` }),
    );
  });
  bench.report({ name: "the nft program", value: program, unit: "ms", floor });
  dataplane.close();
}
