import { describe, expect, it } from "vitest";
import { createFakeAttachments, createFakeWiring } from "./fake.ts";
import { absenceOf, lingers, settleIn } from "./lingering.ts";

const tcp = (source: string, destination: string) => ({
  source,
  destination,
  protocol: 6,
  sourcePort: 40000,
  destinationPort: 443,
});

const entry = (
  original: [string, string],
  reply: [string, string] = [original[1], original[0]],
  zone = 0,
) => ({
  original: tcp(...original),
  reply: tcp(...reply),
  zone,
});

describe.each([
  {
    vm: "10.244.0.5",
    pod: "10.244.0.6",
    node: "192.0.2.1",
    far: "198.51.100.9",
    service: "10.96.0.1",
  },
  {
    vm: "fd00::5",
    pod: "fd00::6",
    node: "2001:db8::1",
    far: "2001:db8:9::9",
    service: "fd00:96::1",
  },
])("a connection of $vm, which is elsewhere", ({ vm, pod, node, far, service }) => {
  const peers = new Set([pod, node]);

  it.each([
    ["opened by somebody far away", entry([far, vm]), true],
    ["opened by the VM to somebody far away", entry([vm, far]), true],
    ["opened by a pod of this node", entry([pod, vm]), false],
    ["opened by the VM to a pod of this node", entry([vm, pod]), false],
    ["opened by the node itself", entry([node, vm]), false],
    ["opened through a port of this node, which translates it", entry([far, node], [vm, far]), false],
    ["the same, with the node as its source", entry([far, node], [vm, node]), false],
    ["opened by the VM, masqueraded by this node", entry([vm, far], [far, node]), true],
    ["opened by the VM to a service with a pod here behind it", entry([vm, service], [pod, vm]), true],
    ["in another program's zone", entry([far, vm], [vm, far], 7), false],
  ])("%s: %#", (_, connection, expected) => {
    expect(lingers(connection, vm, peers)).toBe(expected);
  });

  it("lingers whoever the peer is when the address is nobody's", () => {
    expect(lingers(entry([pod, vm]), vm, undefined)).toBe(true);
    expect(lingers(entry([far, node], [vm, far]), vm, undefined)).toBe(true);
  });
});

describe("what is absent", () => {
  const attachment = {
    containerId: "a",
    ifName: "eth0",
    generation: 1,
    network: "net",
    netns: "/run/netns/a",
    pod: { namespace: "default", name: "a", uid: "1" },
    hostInterface: "cali-a",
    addresses: ["10.244.0.5", "fd00::5"],
    role: "workload",
    endpointStatusDir: "/run",
    step: "ready",
  } as const;
  const vm = { name: "vm1", vmUid: "u", vmiUid: "v" };
  const another = {
    containerId: "b",
    hostInterface: "cali-b",
    pod: { namespace: "default", name: "b", uid: "2" },
  };

  it("an ordinary pod's addresses are nobody's when it leaves; a VM's live on, among the other pods of the node", () => {
    const store = createFakeAttachments();
    store.put(attachment);
    store.put({ ...attachment, ...another, addresses: ["10.244.0.6"] });
    expect(absenceOf(store, attachment)).toEqual({ addresses: attachment.addresses });
    expect(absenceOf(store, { ...attachment, vm })).toEqual({
      addresses: attachment.addresses,
      peers: ["10.244.0.6"],
    });
  });

  it("addresses of a VM that has come back are not absent when its earlier pod is removed late", () => {
    const store = createFakeAttachments();
    store.put({ ...attachment, vm });
    store.put({ ...attachment, ...another, vm });
    expect(absenceOf(store, { ...attachment, vm }).addresses).toEqual([]);
  });

  it("of an address whose note may be lost all is forgotten, once, unless the guest comes with its connections", async () => {
    const attachments = createFakeAttachments();
    const doubtful = new Set<string>(attachment.addresses);
    const inheritance = {
      ...attachments.inheritance,
      mayLack: (address: string) => doubtful.has(address),
      settle: (address: string) => void doubtful.delete(address),
    };
    const wiring = createFakeWiring();
    const arrive = (one: Parameters<typeof settleIn>[1]) =>
      settleIn({ attachments: { ...attachments, inheritance }, wiring }, one);
    await arrive({ ...attachment, addresses: ["10.244.0.5"], role: "target", vm });
    expect(wiring.forgotten).toEqual([{ addresses: ["10.244.0.5"], peers: [] }]);
    await arrive({ ...attachment, addresses: ["fd00::5"] });
    await arrive(attachment);
    expect(wiring.forgotten.slice(1)).toEqual([{ addresses: ["fd00::5"] }]);
  });
});
