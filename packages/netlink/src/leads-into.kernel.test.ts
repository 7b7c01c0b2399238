import { expect, test } from "vitest";
import { createFakeRouteSocket } from "./fake.ts";
import { NetworkNamespace } from "./network-namespace.ts";
import { RouteSocket } from "./route-socket.ts";

test.each([
  ["kernel", (netns: NetworkNamespace) => RouteSocket.open({ netns })],
  ["fake", () => createFakeRouteSocket()],
])("%s: a veth leads into the namespace of its other end and into no other", (_, open) => {
  using node = NetworkNamespace.create();
  using one = NetworkNamespace.create();
  using other = NetworkNamespace.create();
  using route = open(node);
  for (const [name, netns] of [
    ["cali1", one],
    ["cali2", other],
  ] as const)
    route.links.add({ kind: "veth", name, peer: { name: "eth0", netns } });
  const inside = route.links.add({ kind: "veth", name: "here", peer: { name: "there" } });
  const into = (link: string | number) =>
    [one, other, node].map((netns) => route.links.leadsInto(link, netns));
  expect(into("cali1")).toEqual([true, false, false]);
  expect(into("cali2")).toEqual([false, true, false]);
  expect(into(inside.index)).toEqual([false, false, false]);
  route.links.delete("cali1");
  expect(into("cali1")).toEqual([false, false, false]);
  expect(into(4711)).toEqual([false, false, false]);
});
