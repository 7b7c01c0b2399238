import { expect, test } from "vitest";
import { Conntrack } from "./conntrack.ts";
import { NetworkNamespace } from "./network-namespace.ts";

const udp = (source: string, destination: string, sourcePort: number) => ({
  source,
  destination,
  protocol: 17,
  sourcePort,
  destinationPort: 53,
});

test.each([
  ["10.0.0.5", "192.0.2.1", "10.0.0.6"],
  ["fd00::5", "2001:db8::1", "fd00::6"],
])("connections of %s are forgotten in every role, those of others stay", (vm, server, other) => {
  using netns = NetworkNamespace.create();
  using conntrack = Conntrack.open({ netns });
  conntrack.add({ original: udp(vm, server, 1000) });
  conntrack.add({ original: udp(server, vm, 1001), mark: 7 });
  // Translated: the VM is only in the reply.
  conntrack.add({ original: udp(other, server, 1002), reply: udp(vm, other, 53) });
  conntrack.add({ original: udp(other, server, 1003) });
  expect(conntrack.list()).toHaveLength(4);
  expect(conntrack.list({ address: vm })).toHaveLength(3);
  expect(conntrack.list().map(({ mark }) => mark)).toContain(7);
  expect(conntrack.delete({ address: vm }, ({ mark }) => mark === 7)).toBe(1);
  expect(conntrack.delete({ address: vm })).toBe(2);
  expect(conntrack.list().map(({ original }) => original)).toEqual([
    { ...udp(other, server, 1003), icmp: undefined },
  ]);
  expect(conntrack.delete({ address: vm })).toBe(0);
});

test("families are listed apart", () => {
  using netns = NetworkNamespace.create();
  using conntrack = Conntrack.open({ netns });
  conntrack.add({ original: udp("10.0.0.5", "192.0.2.1", 1000) });
  conntrack.add({ original: udp("fd00::5", "2001:db8::1", 1000) });
  expect(conntrack.list({ family: 4 }).map(({ original }) => original.source)).toEqual(["10.0.0.5"]);
  expect(conntrack.list({ family: 6 }).map(({ original }) => original.source)).toEqual(["fd00::5"]);
});

test("an entry is added once", () => {
  using netns = NetworkNamespace.create();
  using conntrack = Conntrack.open({ netns });
  const entry = { original: udp("10.0.0.5", "192.0.2.1", 1000) };
  conntrack.add(entry);
  expect(() => conntrack.add(entry)).toThrow(expect.objectContaining({ code: "AlreadyExists" }));
});
