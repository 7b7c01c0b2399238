import { type BlockAffinity, createClusterView, type IPPool, kinds, type Node } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { expect, it } from "vitest";
import type { RoutePriorities } from "./route-priorities.ts";
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

const pool = (spec: object | undefined, name = "pool") =>
  ({ apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name }, spec }) as IPPool;

async function speakerOf(...nodes: readonly Node[]) {
  const cluster = new FakeCluster();
  cluster.put(kinds.IPPool, pool({ cidr: "10.244.0.0/16" }));
  for (const each of nodes) cluster.put(kinds.Node, each);
  return speakerIn(cluster);
}

async function speakerIn(cluster: FakeCluster, priorities?: RoutePriorities) {
  const watched = [
    kinds.Node,
    kinds.BGPConfiguration,
    kinds.BGPPeer,
    kinds.BGPFilter,
    kinds.IPPool,
    kinds.BlockAffinity,
  ];
  const view = createClusterView({ client: cluster.client(), kinds: watched });
  try {
    await view.synced();
    return readSpeaker(view, "n1", priorities);
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

it("knows which metrics are elevated, of each family: those that the agent works with", async () => {
  expect((await speakerOf(node("n1", ["10.0.0.1"])))?.elevated).toEqual({
    4: { first: 512, last: 481 },
    6: { first: 512, last: 481 },
  });
  const cluster = new FakeCluster();
  cluster.put(kinds.IPPool, pool({ cidr: "10.244.0.0/16" }));
  cluster.put(kinds.Node, node("n1", ["10.0.0.1"]));
  const priorities = { ipv4: { normal: 1024, elevated: 8 }, ipv6: { normal: 1024, elevated: 100 } };
  expect((await speakerIn(cluster, priorities))?.elevated).toEqual({
    4: { first: 8, last: 1 },
    6: { first: 100, last: 69 },
  });
});

it("goes on to speak for a disabled pool, whose addresses are in use", async () => {
  const cluster = new FakeCluster();
  for (const [name, cidr] of [
    ["four", "10.244.0.0/16"],
    ["six", "fd00:10:244::/48"],
  ] as const)
    cluster.put(kinds.IPPool, pool({ cidr, disabled: true }, name));
  cluster.put(kinds.Node, node("n1", ["10.0.0.1"]));
  expect((await speakerIn(cluster))?.pools.map(({ cidr }) => cidr)).toEqual([
    "10.244.0.0/16",
    "fd00:10:244::/48",
  ]);
});

it("is nothing in a cluster that has no pool, or has lost them all: what BIRD says stays", async () => {
  const cluster = new FakeCluster();
  cluster.put(kinds.Node, node("n1", ["10.0.0.1"]));
  expect(await speakerIn(cluster)).toBeUndefined();
});

it("passes over pools and affinities that say nothing", async () => {
  const cluster = new FakeCluster();
  cluster.put(kinds.Node, node("n1", ["10.0.0.1"]));
  cluster.put(kinds.IPPool, pool({ cidr: "10.244.0.0/16" }));
  cluster.put(kinds.IPPool, pool(undefined, "empty"));
  cluster.put(kinds.BlockAffinity, {
    apiVersion: "projectcalico.org/v3",
    kind: "BlockAffinity",
    metadata: { name: "empty" },
  } as BlockAffinity);
  expect(await speakerIn(cluster)).toMatchObject({ pools: [{ cidr: "10.244.0.0/16" }], blocks: [] });
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
