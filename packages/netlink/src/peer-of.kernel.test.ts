import { expect, test } from "vitest";
import { createFakeRouteSocket } from "./fake.ts";
import { NetworkNamespace } from "./network-namespace.ts";
import { RouteSocket } from "./route-socket.ts";

test("the other end of a veth is found in a namespace that nobody enters, under the name it has there now", () => {
  using node = NetworkNamespace.create();
  using pod = NetworkNamespace.create();
  using route = RouteSocket.open({ netns: node });
  using inside = RouteSocket.open({ netns: pod });
  const mac = "02:00:00:00:00:07";
  const link = route.links.add({
    kind: "veth",
    name: "cali1",
    peer: { name: "eth0", address: mac, netns: pod },
  });
  expect(route.links.peerOf(link)).toMatchObject({ name: "eth0", address: mac });
  inside.links.set("eth0", { name: "eth0-nic" });
  expect(route.links.peerOf(link)).toMatchObject({ name: "eth0-nic", address: mac });
  const lo = route.links.get("lo")!;
  expect(route.links.peerOf(lo)).toBeUndefined();
  inside.links.delete("eth0-nic");
  expect(route.links.peerOf(link)).toBeUndefined();
});

test.each([
  ["kernel", (netns: NetworkNamespace) => RouteSocket.open({ netns })],
  ["fake", () => createFakeRouteSocket()],
])("%s: the other end may be in the same namespace", (_, open) => {
  using node = NetworkNamespace.create();
  using route = open(node);
  const link = route.links.add({ kind: "veth", name: "here", peer: { name: "there" } });
  expect(route.links.peerOf(link)?.name).toBe("there");
});
