import { expect, it } from "vitest";
import { NetworkNamespace } from "./network-namespace.ts";
import { RouteSocket } from "./route-socket.ts";
import { writeSysctl } from "./sysctl.ts";
import { TunTap } from "./tuntap.ts";

const nothingToDo = Buffer.alloc(10);

/** An echo request from 192.0.2.2 to 192.0.2.1, RFC 792. */
const ping = Buffer.from("4500001c000000004001f6ddc0000202c00002010800f7ff00000000", "hex");

function host() {
  const netns = NetworkNamespace.create();
  const route = RouteSocket.open({ netns });
  // The kernel has nothing of its own to say.
  writeSysctl(["ipv6", "conf", "default", "disable_ipv6"], 1, { netns });
  return {
    netns,
    route,
    [Symbol.dispose]() {
      route.close();
      netns.close();
    },
  };
}

it("what a program writes to a tun arrives at the host, and what the host answers is read", () => {
  using here = host();
  const { netns, route } = here;
  using tun = TunTap.open({ kind: "tun", name: "tun%d", netns });
  expect(tun.name).toBe("tun0");
  const { index } = route.links.get("tun0")!;
  route.addresses.add({ linkIndex: index, address: "192.0.2.1/24" });
  route.links.set(index, { up: true });
  expect(tun.read()).toBeUndefined();
  tun.write({ bytes: ping, offload: nothingToDo });
  const { bytes } = tun.read()!;
  expect([bytes.length, bytes[20], bytes.subarray(12, 16)]).toEqual([28, 0, Buffer.from([192, 0, 2, 1])]);
  expect(route.links.statistics(index)).toEqual({ received: 1, sent: 1, unsent: 0 });
});

it("what nobody has read is not counted as sent, and what found no room is", () => {
  using here = host();
  const { netns, route } = here;
  using tun = TunTap.open({ kind: "tun", name: "tun0", netns });
  const { index } = route.links.get("tun0")!;
  route.addresses.add({ linkIndex: index, address: "192.0.2.1/24" });
  route.links.set(index, { up: true });
  for (let i = 0; i < 600; i++) tun.write({ bytes: ping, offload: nothingToDo });
  // A tun's queue holds 500.
  expect(route.links.statistics(index)).toEqual({ received: 600, sent: 0, unsent: 100 });
  while (tun.read());
  expect(route.links.statistics(index)).toMatchObject({ sent: 500 });
});

it("goes with its value; one that was there already stays", () => {
  using here = host();
  const { netns, route } = here;
  route.links.add({ kind: "tap", name: "tap0", vnetHeader: true });
  for (const [kind, name] of [
    ["tap", "tap0"],
    ["tun", "tun0"],
  ] as const) {
    const opened = TunTap.open({ kind, name, netns });
    opened[Symbol.dispose]();
    opened[Symbol.dispose]();
    expect(() => opened.read()).toThrow(expect.objectContaining({ code: "Closed" }));
  }
  expect(route.links.list().map(({ name }) => name)).toEqual(["lo", "tap0"]);
});

it("says which link cannot be opened", () => {
  using here = host();
  const { netns, route } = here;
  route.links.add({ kind: "bridge", name: "br0" });
  expect(() => TunTap.open({ kind: "tap", name: "br0", netns })).toThrow(/tap.*br0/);
  using first = TunTap.open({ kind: "tun", name: "tun0", netns });
  expect(() => TunTap.open({ kind: "tun", name: "tun0", netns })).toThrow(
    expect.objectContaining({ code: "Busy" }),
  );
  expect(first.name).toBe("tun0");
});
