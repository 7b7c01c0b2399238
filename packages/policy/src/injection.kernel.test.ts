import { execFileSync } from "node:child_process";
import { NetworkNamespace } from "@fairlead/netlink";
import { expect, test, vi } from "vitest";
import { createPolicyEngine } from "./index.ts";
import { readKernelTable } from "./nftables/kernel-state.ts";
import { NftablesSocket } from "./nftables/socket.ts";
import { createNftablesDataplane } from "./nftables.ts";
import { harmlessComment, harmlessName } from "./testbed/encoded.ts";
import { hostileBatch } from "./testbed/fuzz.ts";
import { victim } from "./testbed/hostile.ts";

/** Milliseconds; a busy machine is no failure. */
vi.setConfig({ testTimeout: 240_000 });

const seed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 2 ** 31);

test(`the kernel takes what hostile objects become, and shows it as plain names (FAIRLEAD_SEED=${seed})`, async () => {
  using netns = NetworkNamespace.create();
  const dataplane = createNftablesDataplane({ netns });
  const engine = createPolicyEngine({ dataplane, nodeName: "node" });
  try {
    await engine.start();
    engine.endpoints.upsert(victim);
    engine.synced();
    for (let batch = 0; batch < 3; batch++) {
      for (const [kind, object] of hostileBatch(seed, batch)) engine.objects.upsert(kind, object);
      await engine.settled({ signal: AbortSignal.timeout(30_000) });
    }
    expect(engine.health().problems.filter(({ kind }) => kind === "Dataplane")).toEqual([]);

    using socket = NftablesSocket.open({ netns });
    const { chains, sets } = readKernelTable(socket, { family: "inet", name: "fairlead" });
    expect(chains.size).toBeGreaterThan(100);
    expect([...chains.keys(), ...sets.keys()].filter((name) => !harmlessName.test(name))).toEqual([]);
    expect(
      [...chains.values()].map(({ comment }) => comment).filter((text) => !harmlessComment.test(text)),
    ).toEqual([]);

    const listed = netns.run(() => execFileSync("nft", ["-j", "list", "tables"], { encoding: "utf8" }));
    const tables = (JSON.parse(listed).nftables as { table?: { family: string; name: string } }[])
      .flatMap(({ table }) => (table ? [`${table.family} ${table.name}`] : []))
      .sort();
    expect(tables).toEqual(["arp fairlead", "inet fairlead"]);
  } finally {
    await engine.close();
  }
});
