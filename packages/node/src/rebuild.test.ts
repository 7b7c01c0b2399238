import { type Attachment, hostInterfaceName, hostInterfaceNames } from "@fairlead/cni";
import type { AssignedAddress } from "@fairlead/ipam";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Evidence, type FoundInterface, type FoundPod, type FoundStatus, rebuild } from "./rebuild.ts";

const network = "k8s-pod-network";
const mac = "02:00:00:00:00:01";
const web = { namespace: "default", name: "web", uid: "uid-web" };
const vm = { name: "vm1", vmUid: "vm-uid", vmiUid: "vmi-uid" };

const link = (
  pod: { namespace: string; name: string },
  more: Partial<FoundInterface> = {},
): FoundInterface => ({
  name: hostInterfaceName(pod),
  index: 7,
  peer: { name: "eth0", mac },
  routed: ["10.0.0.1", "fd00::1"],
  ...more,
});

const record = (address: string, more: Partial<AssignedAddress> = {}): AssignedAddress => {
  const { containerId = "c1" } = more;
  return {
    address,
    handle: `${network}.${containerId}`,
    pod: web,
    network,
    containerId,
    side: "active",
    ...more,
  };
};

/** Pod web as an agent has wired it. */
const usual: Evidence = {
  interfaces: [link(web)],
  pods: [{ ...web, addresses: ["10.0.0.1", "fd00::1"], claimedContainerId: "c1" }],
  assigned: [record("10.0.0.1"), record("fd00::1")],
  statuses: [],
  noted: [],
};

const usualAttachment: Attachment = {
  containerId: "c1",
  ifName: "eth0",
  generation: 1,
  network,
  netns: "",
  pod: web,
  hostInterface: hostInterfaceName(web),
  linkIndex: 7,
  mac,
  addresses: ["10.0.0.1", "fd00::1"],
  role: "workload",
  endpointStatusDir: "/var/run/calico/endpoint-status",
  step: "ready",
};

const only = (evidence: Evidence) => {
  const { rebuilt, unexplained } = rebuild(evidence);
  expect([rebuilt.length, unexplained.map(({ reason }) => reason)]).toEqual([1, []]);
  return rebuilt[0]!;
};
const reasonOf = (evidence: Evidence) => {
  const { rebuilt, unexplained } = rebuild(evidence);
  expect(rebuilt).toEqual([]);
  return unexplained[0]?.reason;
};

describe("an ordinary pod", () => {
  it("is found by its interface's name, its routes and its records", () =>
    expect(only(usual)).toEqual({ attachment: usualAttachment, isAway: false }));

  it("needs no look when it is noted", () =>
    expect(rebuild({ ...usual, noted: [usualAttachment] })).toEqual({ rebuilt: [], unexplained: [] }));

  it("whose note is of another interface of that name is found again, as a later sandbox", () => {
    const noted = [{ ...usualAttachment, containerId: "c0", linkIndex: 5, generation: 3 }];
    expect(only({ ...usual, noted }).attachment).toMatchObject({
      containerId: "c1",
      generation: 4,
      linkIndex: 7,
    });
  });

  it.each(["claimed", "addressed"] as const)("whose note ends with %s keeps what is noted", (step) => {
    const { linkIndex: _i, mac: _m, ...early } = usualAttachment;
    const noted = [{ ...early, step, generation: 2, netns: "/run/netns/x", endpointStatusDir: "/elsewhere" }];
    expect(only({ ...usual, noted }).attachment).toEqual({
      ...usualAttachment,
      generation: 2,
      netns: "/run/netns/x",
      endpointStatusDir: "/elsewhere",
    });
  });

  it("of the incumbent is found without a UID in the record", () => {
    const { uid: _, ...pod } = web;
    const assigned = usual.assigned.map((one) => ({ ...one, pod }));
    expect(only({ ...usual, assigned }).attachment).toEqual(usualAttachment);
  });

  it("has the sandbox to which its addresses are routed, whatever others are recorded", () => {
    const failed = ["c8", "c9"].map((containerId, n) => record(`10.0.0.${n + 2}`, { containerId }));
    const assigned = [failed[0]!, ...usual.assigned, failed[1]!];
    expect(only({ ...usual, assigned }).attachment).toEqual(usualAttachment);
  });

  it("keeps addresses that no block knows, when the kubelet reports them", () => {
    expect(only({ ...usual, assigned: [] }).attachment).toEqual(usualAttachment);
  });

  it("that was killed before it had a route has its recorded addresses", () => {
    const interfaces = [link(web, { routed: [] })];
    const pods = [{ ...web, addresses: [] }];
    expect(only({ ...usual, interfaces, pods }).attachment).toEqual({ ...usualAttachment, step: "wired" });
  });

  it("has the MAC of its status file, which is the one ADD gave", () => {
    const status: FoundStatus = {
      pod: web,
      ifName: "net1",
      hostInterface: hostInterfaceName(web),
      mac: "02:00:00:00:00:09",
      addresses: ["10.0.0.1", "fd00::1"],
      directory: "/status",
    };
    const interfaces = [link(web, { peer: { name: "k6t", mac } })];
    expect(only({ ...usual, interfaces, statuses: [status] }).attachment).toEqual({
      ...usualAttachment,
      ifName: "net1",
      mac: "02:00:00:00:00:09",
      endpointStatusDir: "/status",
    });
  });
});

describe("nothing is claimed", () => {
  it.each<[string, Partial<Evidence>, string]>([
    ["of a pod that nobody knows", { pods: [] }, "no pod of this node has an interface of this name"],
    [
      "when a routed address is another pod's",
      { assigned: [record("10.0.0.1", { pod: { namespace: "team", name: "db" }, containerId: "c2" })] },
      "a route to 10.0.0.1 leads to pod default/web, but the address is recorded for team/db",
    ],
    [
      "when a routed address is recorded for an earlier pod of that name",
      { assigned: [record("10.0.0.1", { pod: { ...web, uid: "uid-old" } })] },
      "a route to 10.0.0.1 leads to pod default/web, but the address is recorded for default/web",
    ],
    [
      "when nothing tells the address",
      { interfaces: [link(web, { routed: [] })], assigned: [], pods: [{ ...web, addresses: [] }] },
      "no address of pod default/web is known",
    ],
    [
      "when nothing tells the sandbox",
      { assigned: [], pods: [{ ...web, addresses: [] }] },
      "the sandbox of pod default/web is recorded nowhere",
    ],
    [
      "when nothing tells which of two sandboxes is here",
      {
        interfaces: [link(web, { routed: [] })],
        pods: [{ ...web, addresses: [] }],
        assigned: [record("10.0.0.1"), record("10.0.0.2", { containerId: "c2" })],
      },
      "2 sandboxes of pod default/web are recorded",
    ],
    [
      "when the pod's MAC is hidden: it could send nothing",
      { interfaces: [link(web, { peer: { name: "eth0-nic", mac } })] },
      "the MAC of pod default/web is not known",
    ],
  ])("%s", (_what, change, reason) => expect(reasonOf({ ...usual, ...change })).toBe(reason));

  it.each([
    [
      "another pod's, by its record",
      { assigned: [record("10.0.0.7", { pod: { namespace: "team", name: "db" } })] },
    ],
    [
      "noted for another pod",
      { noted: [{ ...usualAttachment, pod: { ...web, name: "db" }, hostInterface: "cali2" }] },
    ],
    ["no container ID", { pods: [{ ...web, addresses: [], claimedContainerId: "../c1" }] }],
  ] as const)("by an annotation that names a sandbox which is %s", (_what, change) =>
    expect(reasonOf({ ...usual, assigned: [], ...change })).toContain("is recorded nowhere"),
  );

  it("of two pods whose interfaces have the same name, unless the records tell whose the addresses are", () => {
    // 44 bits of SHA-1; found by search.
    const [one, other] = ["p554413", "p3312609"].map((name) => ({
      namespace: "tenant",
      name,
      uid: `uid-${name}`,
    }));
    const pods = [one!, other!].map((pod) => ({ ...pod, addresses: [] }));
    const interfaces = [link(one!)];
    expect(interfaces[0]?.name).toBe(hostInterfaceName(other!));
    expect(reasonOf({ ...usual, pods, interfaces, assigned: [] })).toBe(
      "it can be the interface of tenant/p554413 or tenant/p3312609",
    );
    const assigned = ["10.0.0.1", "fd00::1"].map((address) => record(address, { pod: other! }));
    expect(only({ ...usual, pods, interfaces, assigned }).attachment.pod).toEqual(other);
  });
});

it("an interface under any of the names that ADD may give a pod is the pod's", () => {
  for (const name of hostInterfaceNames(web)) {
    const { attachment } = only({ ...usual, interfaces: [link(web, { name })] });
    expect([attachment.pod, attachment.hostInterface]).toEqual([web, name]);
  }
});

describe("a VM's pod", () => {
  const launcher = { namespace: "default", name: "virt-launcher-vm1-a", uid: "uid-a" };
  const pod: FoundPod = { ...launcher, addresses: [], vm, claimedContainerId: "c1" };
  const handle = `${network}.vmi.default.vm1`;
  const owned = (more: Partial<AssignedAddress> = {}) =>
    ["10.0.0.1", "fd00::1"].map((address) => record(address, { handle, pod: launcher, vm, ...more }));
  const renamed = { name: "eth0-nic", mac: "02:00:00:00:00:77" };
  const machine: Evidence = {
    ...usual,
    interfaces: [link(launcher, { peer: renamed })],
    pods: [pod],
    assigned: owned(),
  };
  const { mac: _, ...withoutMac } = usualAttachment;
  const attachment = { ...withoutMac, pod: launcher, hostInterface: hostInterfaceName(launcher), vm };

  it("is found although KubeVirt has renamed the pod's end and given it another MAC", () =>
    expect(only(machine)).toEqual({ attachment, isAway: false }));

  it("of the incumbent has its sandbox from the annotation, since the record does not name it", () => {
    const assigned = owned().map(({ containerId: _c, vm: _v, ...rest }) => rest);
    expect(only({ ...machine, assigned }).attachment).toEqual(attachment);
  });

  it("as a migration's target has no route, and waits for the guest", () => {
    const interfaces = [link(launcher, { peer: renamed, routed: [] })];
    const pods = [{ ...pod, migrationUid: "m1", guestIsElsewhere: true }];
    expect(only({ ...machine, interfaces, pods, assigned: owned({ side: "alternate" }) }).attachment).toEqual(
      {
        ...attachment,
        role: "target",
        migrationUid: "m1",
        step: "wired",
      },
    );
  });

  it("that the guest has left stays without a route, although the records are another pod's by now", () => {
    const interfaces = [link(launcher, { peer: renamed, routed: [] })];
    const pods = [{ ...pod, addresses: ["10.0.0.1", "fd00::1"], guestIsElsewhere: true }];
    const assigned = owned({
      pod: { ...launcher, name: "virt-launcher-vm1-b", uid: "uid-b" },
      containerId: "c2",
    });
    expect(only({ ...machine, interfaces, pods, assigned })).toEqual({
      attachment: { ...attachment, step: "wired" },
      isAway: true,
    });
  });

  it("keeps its routes although the records are another pod's of its VM", () => {
    const assigned = owned({
      pod: { ...launcher, name: "virt-launcher-vm1-b", uid: "uid-b" },
      containerId: "c2",
    });
    expect(only({ ...machine, assigned }).attachment).toEqual(attachment);
  });

  it("does not get what is recorded for another VM", () => {
    const other = { name: "vm1", vmUid: "other", vmiUid: "other" };
    const assigned = owned({ pod: { ...launcher, name: "other" }, vm: other, containerId: "c2" });
    expect(reasonOf({ ...machine, assigned })).toContain("is recorded for default/other");
  });
});

describe("whatever is left of the evidence", () => {
  interface Wired {
    readonly isVm: boolean;
    readonly hasRoutes: boolean;
    readonly isNoted: boolean;
    readonly hasStatus: boolean;
    readonly isRecorded: boolean;
    readonly isIncumbents: boolean;
    readonly isAnnotated: boolean;
    readonly isReported: boolean;
    readonly hasPod: boolean;
    readonly failedSandboxes: number;
  }
  const wired: fc.Arbitrary<Wired> = fc.record({
    isVm: fc.boolean(),
    hasRoutes: fc.boolean(),
    isNoted: fc.boolean(),
    hasStatus: fc.boolean(),
    isRecorded: fc.boolean(),
    isIncumbents: fc.boolean(),
    isAnnotated: fc.boolean(),
    isReported: fc.boolean(),
    hasPod: fc.boolean(),
    failedSandboxes: fc.nat({ max: 2 }),
  });

  /** What ADD left of pod `n`, and the evidence of it. */
  function wire(one: Wired, n: number): { attachment: Attachment; evidence: Evidence } {
    const pod = { namespace: `ns${n % 2}`, name: `pod${n}`, uid: `uid-${n}` };
    const addresses = [`10.0.${n}.1`, `fd00::${n + 1}`];
    const containerId = `container-${n}`;
    const own = one.isVm ? { name: `vm${n}`, vmUid: `vm-${n}`, vmiUid: `vmi-${n}` } : undefined;
    const attachment: Attachment = {
      ...usualAttachment,
      containerId,
      pod,
      hostInterface: hostInterfaceName(pod),
      linkIndex: 10 + n,
      addresses,
      ...(own && { vm: own }),
    };
    const handle = own ? `${network}.vmi.${pod.namespace}.${own.name}` : `${network}.${containerId}`;
    const owner = one.isIncumbents ? { namespace: pod.namespace, name: pod.name } : pod;
    const assigned = addresses.map((address): AssignedAddress => {
      const { containerId: _c, vm: _v, ...base } = record(address, { handle, pod: owner });
      return one.isIncumbents && own ? base : { ...base, containerId, ...(own && { vm: own }) };
    });
    const failed = Array.from({ length: own ? 0 : one.failedSandboxes }, (_, s) =>
      record(`10.0.${n}.${s + 2}`, { pod: owner, containerId: `failed-${n}-${s}` }),
    );
    return {
      attachment,
      evidence: {
        interfaces: [
          {
            name: attachment.hostInterface,
            index: 10 + n,
            peer: { name: "eth0", mac },
            routed: one.hasRoutes ? addresses : [],
          },
        ],
        pods: one.hasPod
          ? [
              {
                ...pod,
                addresses: one.isReported ? addresses : [],
                ...(one.isAnnotated && { claimedContainerId: containerId }),
                ...(own && { vm: own }),
              },
            ]
          : [],
        assigned: [...failed, ...(one.isRecorded ? assigned : [])],
        statuses: one.hasStatus
          ? [
              {
                pod,
                ifName: "eth0",
                hostInterface: attachment.hostInterface,
                mac,
                addresses,
                directory: attachment.endpointStatusDir,
                ...(!one.isIncumbents && { containerId }),
              },
            ]
          : [],
        noted: one.isNoted ? [attachment] : [],
      },
    };
  }

  const merge = (all: readonly Evidence[]): Evidence => ({
    interfaces: all.flatMap(({ interfaces }) => interfaces),
    pods: all.flatMap(({ pods }) => pods),
    assigned: all.flatMap(({ assigned }) => assigned),
    statuses: all.flatMap(({ statuses }) => statuses),
    noted: all.flatMap(({ noted }) => noted),
  });

  /** Nothing is missing that the rules lean on. */
  const isPlain = (one: Wired) =>
    one.hasPod && one.isRecorded && one.isAnnotated && (one.hasRoutes || one.isReported);

  it("each interface is noted, rebuilt or unexplained; what is rebuilt is what ADD left, or claims nothing of others", () => {
    fc.assert(
      fc.property(fc.array(wired, { maxLength: 8 }), (all) => {
        const pods = all.map(wire);
        const evidence = merge(pods.map((one) => one.evidence));
        const { rebuilt, unexplained } = rebuild(evidence);
        const names = [
          ...evidence.noted.map(({ hostInterface }) => hostInterface),
          ...rebuilt.map(({ attachment }) => attachment.hostInterface),
          ...unexplained.map((one) => one.interface.name),
        ];
        expect(names.toSorted()).toEqual(pods.map(({ attachment }) => attachment.hostInterface).toSorted());
        for (const { attachment } of rebuilt) {
          const left = pods.find((one) => one.attachment.hostInterface === attachment.hostInterface)!;
          const { step: _s, addresses, containerId, ...rest } = attachment;
          const { step: _t, addresses: theirs, containerId: other, ...expected } = left.attachment;
          expect(rest).toEqual(expected);
          // Of a pod whose sandbox is recorded nowhere and that has no route it may be a failed one: its own addresses, nobody else's.
          const failed = evidence.assigned.filter((one) => one.containerId === containerId);
          if (containerId !== other)
            expect(all[pods.indexOf(left)]).toMatchObject({ hasRoutes: false, isRecorded: false });
          expect([...theirs, ...failed.map(({ address }) => address)]).toEqual(
            expect.arrayContaining([...addresses]),
          );
        }
        for (const [n, one] of all.entries())
          if (isPlain(one) && !one.isNoted)
            expect(rebuilt.map(({ attachment }) => ({ ...attachment, step: "ready" }))).toContainEqual(
              pods[n]!.attachment,
            );
      }),
      { numRuns: 500 },
    );
  });

  it("an annotation that somebody forged never takes a sandbox that is known to be another pod's", () => {
    fc.assert(
      fc.property(
        fc.array(wired, { minLength: 2, maxLength: 6 }),
        fc.nat(),
        fc.nat(),
        (all, thief, victim) => {
          const pods = all.map(wire);
          const evidence = merge(pods.map((one) => one.evidence));
          const target = pods[victim % pods.length]!.attachment;
          const forger = pods[thief % pods.length]!.attachment.pod;
          fc.pre(forger !== target.pod);
          const isKnown =
            evidence.noted.includes(target) ||
            [...evidence.assigned, ...evidence.statuses].some(
              (one) => one.containerId === target.containerId,
            );
          fc.pre(isKnown);
          const forged = evidence.pods.map((pod) =>
            pod.name === forger.name ? { ...pod, claimedContainerId: target.containerId } : pod,
          );
          for (const { attachment } of rebuild({ ...evidence, pods: forged }).rebuilt)
            if (attachment.containerId === target.containerId) expect(attachment.pod).toEqual(target.pod);
        },
      ),
      { numRuns: 500 },
    );
  });
});
