import { kinds } from "@fairlead/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startTwoNodes, type TwoNodes } from "./two-nodes.fixture.ts";
import { putPod } from "./virtual-machine.fixture.ts";

describe("a network configuration that names no family", () => {
  let nodes: TwoNodes;
  beforeEach(async () => {
    nodes = await startTwoNodes();
  });
  afterEach(() => nodes[Symbol.asyncDispose]());

  async function add(name: string) {
    putPod(nodes.cluster, name, "node-a");
    const { body } = await nodes.a.add(name, { ipam: { type: "calico-ipam" } });
    const ips = (body?.ips ?? []) as { address: string }[];
    return body?.code ?? ips.map(({ address }) => (address.includes(":") ? 6 : 4));
  }
  const disable = (name: string, disabled: boolean) =>
    nodes.cluster.client().patch(kinds.IPPool, { name }, { spec: { disabled } }, { type: "merge" });

  it("starts pods in a cluster with pools of one family, and with both from the moment there is a second", async () => {
    await disable("six", true);
    await expect.poll(() => add("four-only")).toEqual([4]);
    await disable("six", false);
    let last = 0;
    await expect.poll(() => add(`both-${last++}`)).toEqual([4, 6]);
    await disable("four", true);
    await expect.poll(() => add(`six-only-${last++}`)).toEqual([6]);
  });

  it("fails loudly when a pool that is there is exhausted", async () => {
    await disable("four", true);
    nodes.cluster.put(kinds.IPPool, {
      apiVersion: "projectcalico.org/v3",
      kind: "IPPool",
      metadata: { name: "tiny" },
      spec: { cidr: "10.9.0.0/32", blockSize: 32 },
    });
    await expect.poll(() => add("first")).toEqual([4, 6]);
    expect(await add("second")).toBe(102);
  });
});
