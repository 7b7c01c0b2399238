import { createClusterView, kinds, type Node } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { expect, it } from "vitest";
import { readSpeaker, speakerNode } from "./speaker.ts";

const node = (
  name: string,
  addresses: readonly string[] = [],
  annotations: Record<string, string> = {},
): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, annotations },
  ...(addresses.length > 0 && {
    status: { addresses: addresses.map((address) => ({ type: "InternalIP" as const, address })) },
  }),
});

async function speakerOf(...nodes: readonly Node[]) {
  return speakerIn(new FakeCluster(), ...nodes);
}

async function speakerIn(cluster: FakeCluster, ...nodes: readonly Node[]) {
  for (const each of nodes) cluster.put(kinds.Node, each);
  const watched = [
    kinds.Node,
    kinds.BGPConfiguration,
    kinds.BGPPeer,
    kinds.BGPFilter,
    kinds.IPPool,
    kinds.BlockAffinity,
    kinds.FelixConfiguration,
  ];
  const view = createClusterView({ client: cluster.client(), kinds: watched });
  try {
    await view.synced();
    return readSpeaker(view, "n1");
  } finally {
    await view.close();
  }
}

it("is nothing yet while the node is not registered, or has no address to make a router id of", async () => {
  expect(await speakerOf()).toBeUndefined();
  expect(await speakerOf(node("n1"), node("n2", ["10.0.0.2"]))).toBeUndefined();
});

it("is there with an address of either family", async () => {
  expect((await speakerOf(node("n1", ["10.0.0.1"])))?.node).toEqual({
    name: "n1",
    ipv4: "10.0.0.1",
    labels: {},
  });
  expect((await speakerOf(node("n1", ["fd00::1"])))?.node).toEqual({
    name: "n1",
    ipv6: "fd00::1",
    labels: {},
  });
});

it("knows other nodes without an address as such", async () => {
  const speaker = await speakerOf(node("n2"), node("n1", ["10.0.0.1", "fd00::1"]));
  expect(speaker?.nodes).toEqual([
    { name: "n1", ipv4: "10.0.0.1", ipv6: "fd00::1", labels: {} },
    { name: "n2", labels: {} },
  ]);
});

it("knows which metrics are elevated, of each family", async () => {
  expect((await speakerOf(node("n1", ["10.0.0.1"])))?.elevated).toEqual({
    4: { first: 512, last: 481 },
    6: { first: 512, last: 481 },
  });
  const cluster = new FakeCluster();
  cluster.put(kinds.FelixConfiguration, {
    apiVersion: "projectcalico.org/v3",
    kind: "FelixConfiguration",
    metadata: { name: "default" },
    spec: { ipv4ElevatedRoutePriority: 8, ipv6ElevatedRoutePriority: 100 },
  });
  expect((await speakerIn(cluster, node("n1", ["10.0.0.1"])))?.elevated).toEqual({
    4: { first: 8, last: 1 },
    6: { first: 100, last: 69 },
  });
});

it("prefers the annotated addresses to the internal ones", () => {
  const annotations = {
    "projectcalico.org/IPv4Address": "192.0.2.1/24",
    "projectcalico.org/ASNumber": "64999",
  };
  expect(speakerNode(node("n1", ["10.0.0.1", "fd00::1"], annotations))).toMatchObject({
    ipv4: "192.0.2.1",
    ipv6: "fd00::1",
    asNumber: 64999,
  });
});
