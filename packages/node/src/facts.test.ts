import { type ClusterView, createClusterView, kinds, type Pod } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import type { Attachment } from "@fairlead/cni";
import { createPolicyEngine } from "@fairlead/policy";
import { createFakeDataplane } from "@fairlead/policy/fake";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { factsOf } from "./facts.ts";
import { fakeAttachment } from "./fakes.fixture.ts";
import { VirtualMachineObjects } from "./virtual-machine.fixture.ts";

const vm = { name: "vm1", vmUid: "vm-vm1", vmiUid: "vmi-vm1" };
const guest = "02:aa:00:00:00:01";
const { vm: _, ...ordinary } = fakeAttachment("a");

let cluster: FakeCluster;
let views: AsyncDisposableStack;
beforeEach(() => {
  cluster = new FakeCluster();
  views = new AsyncDisposableStack();
});
afterEach(() => views.disposeAsync());

async function facts(attachment: Attachment) {
  const view: ClusterView = createClusterView({
    client: cluster.client(),
    kinds: [kinds.Pod, kinds.VirtualMachineInstance, kinds.VirtualMachineInstanceMigration],
  });
  views.defer(() => view.close());
  await view.synced();
  return factsOf(view, attachment);
}

function putPod(metadata: Partial<Pod["metadata"]>, spec: Partial<Pod["spec"]> = {}): void {
  cluster.put(kinds.Pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", namespace: "default", uid: "uid-a", ...metadata },
    spec: { containers: [{ name: "main" }], ...spec },
  });
}

describe("an ordinary pod", () => {
  it("has its labels, its service account and the MAC of its interface", async () => {
    putPod({ labels: { app: "web" } }, { serviceAccountName: "web" });
    expect(await facts(ordinary)).toEqual({
      labels: { app: "web" },
      serviceAccount: "web",
      ports: [],
      allowedSourcePrefixes: [],
      guestMacs: [ordinary.mac],
      migration: undefined,
    });
  });

  it("that is not in the view has no facts but its MAC", async () =>
    expect(await facts(ordinary)).toEqual({
      labels: {},
      serviceAccount: undefined,
      ports: [],
      allowedSourcePrefixes: [],
      guestMacs: [ordinary.mac],
      migration: undefined,
    }));

  it("has nothing of its predecessor or successor of the same name", async () => {
    putPod(
      {
        uid: "uid-of-another",
        labels: { app: "web" },
        annotations: { "cni.projectcalico.org/allowedSourcePrefixes": '["10.0.0.0/8"]' },
      },
      { serviceAccountName: "web" },
    );
    expect(await facts(ordinary)).toMatchObject({
      labels: {},
      serviceAccount: undefined,
      allowedSourcePrefixes: [],
    });
  });

  it("has the named ports of all containers, with TCP where none is said, and no others", async () => {
    const containers = [
      {
        name: "one",
        ports: [
          { name: "http", containerPort: 80 },
          { name: "dns", containerPort: 53, protocol: "UDP" },
          { containerPort: 81 },
        ],
      },
      { name: "two", ports: [{ name: "diameter", containerPort: 3868, protocol: "SCTP" }] },
      { name: "three", ports: [{ name: "odd", containerPort: 1, protocol: "ICMP" }] },
      { name: "four" },
    ];
    putPod({}, { containers } as Partial<Pod["spec"]>);
    expect((await facts(ordinary)).ports).toEqual([
      { name: "http", protocol: "tcp", port: 80 },
      { name: "dns", protocol: "udp", port: 53 },
      { name: "diameter", protocol: "sctp", port: 3868 },
    ]);
  });
});

describe("the networks a pod says it may send from", () => {
  const prefixes = async (text: string) => {
    putPod({ annotations: { "cni.projectcalico.org/allowedSourcePrefixes": text } });
    return (await facts(ordinary)).allowedSourcePrefixes;
  };

  it("are taken in both families, to the longest length of each", async () =>
    expect(
      await prefixes('["10.0.0.0/8","10.1.2.3/32","0.0.0.0/0","fd00:1::/64","fd00::1/128","::/0"]'),
    ).toEqual(["10.0.0.0/8", "10.1.2.3/32", "0.0.0.0/0", "fd00:1::/64", "fd00::1/128", "::/0"]));

  it.each(["", "10.0.0.0/8", "[", "null", '"10.0.0.0/8"', '{"0":"10.0.0.0/8"}'])(
    "are none when the annotation is no JSON list: %j",
    async (text) => expect(await prefixes(text)).toEqual([]),
  );

  it.each([
    ["without a length", "10.0.0.0"],
    ["with an empty length", "10.0.0.0/"],
    ["too long for IPv4", "10.0.0.0/33"],
    ["too long for IPv6", "fd00::/129"],
    ["with a negative length", "10.0.0.0/-1"],
    ["with two lengths", "10.0.0.0/8/9"],
    ["with two lengths in IPv6", "fd00::/64/64"],
    ["of a zone", "fe80::1%eth0/64"],
    ["in octal", "010.0.0.0/8"],
    ["in short form", "10/8"],
    ["that is rule text", "10.0.0.0/8 } ; flush ruleset"],
    ["that is a name", "example.com/24"],
    ["that is a number", 10],
    ["that is a list", ["10.0.0.0/8"]],
    ["that is nothing", null],
  ])("leave out one %s, and policy takes what is left", async (_what, bad) => {
    const left = await prefixes(JSON.stringify(["10.1.0.0/16", bad, "fd00:1::/64"]));
    expect(left).toEqual(["10.1.0.0/16", "fd00:1::/64"]);
    const policy = createPolicyEngine({ dataplane: createFakeDataplane(), nodeName: "n1" });
    policy.endpoints.upsert({
      id: "a",
      interfaceName: ordinary.hostInterface,
      pod: ordinary.pod,
      labels: {},
      addresses: ordinary.addresses,
      macs: [],
      state: "running",
      allowedSourcePrefixes: left,
    });
    await policy.close();
  });

  it("are at most 64", async () => {
    const many = Array.from({ length: 100 }, (_, i) => `10.${i}.0.0/16`);
    expect(await prefixes(JSON.stringify(many))).toEqual(many.slice(0, 64));
  });
});

describe("a VM's pod", () => {
  const target = fakeAttachment("b", { mac: "02:99:00:00:00:09", role: "target", vm, migrationUid: "uid-m" });

  it("has the MAC of the guest, which is not the pod's", async () => {
    new VirtualMachineObjects(cluster, "vm1", guest);
    expect((await facts(target)).guestMacs).toEqual([guest]);
  });

  it("has its own MAC as long as the VMI is not known, or is another one of that name", async () => {
    expect((await facts(target)).guestMacs).toEqual([target.mac]);
    new VirtualMachineObjects(cluster, "vm1", guest);
    const restarted = { ...target, vm: { ...vm, vmiUid: "vmi-before" } };
    expect((await facts(restarted)).guestMacs).toEqual([target.mac]);
  });

  it("has no MAC before its interface is made", async () => {
    const { mac: _, ...unwired } = target;
    expect((await facts(unwired)).guestMacs).toEqual([]);
  });

  it("has the migration it was made for, by UID and not by name", async () => {
    const objects = new VirtualMachineObjects(cluster, "vm1", guest);
    objects.migration("other", "Running", 5);
    objects.migration("m", "Scheduling", 10);
    expect((await facts(target)).migration).toEqual({ uid: "uid-m", createdAt: "2026-01-01T00:00:10.000Z" });
  });

  it("whose migration is gone still has one, older than any other", async () => {
    const { migration } = await facts(target);
    expect(migration).toEqual({ uid: "uid-m", createdAt: "1970-01-01T00:00:00.000Z" });
  });

  it("that was not made for a migration has none", async () => {
    const objects = new VirtualMachineObjects(cluster, "vm1", guest);
    objects.migration("m", "Running");
    expect((await facts(fakeAttachment("a", { vm }))).migration).toBeUndefined();
  });
});
