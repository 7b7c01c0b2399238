import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kinds } from "../kinds.ts";
import type { KubernetesObject } from "../object.ts";
import type { Schema } from "../schema.ts";
import { parseDuration } from "./duration.ts";
import { isCidr } from "./fields.ts";
import { ownKinds } from "./index.ts";

type OwnKind = keyof typeof ownKinds;

const object = (kind: OwnKind, spec: unknown, name = "default") => ({
  apiVersion: kinds[kind].apiVersion,
  kind,
  metadata: { name },
  spec,
});
const check = (kind: OwnKind, spec: unknown, name?: string) =>
  (kinds[kind].schema as Schema<KubernetesObject & { spec: unknown }>).check(object(kind, spec, name));
const sound = (kind: OwnKind, spec: unknown) => {
  const checked = check(kind, spec);
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  return checked.object.spec;
};

describe("defaults", () => {
  test("a pool needs only its CIDR, and its block size follows the family", () => {
    expect(sound("IPPool", { cidr: "10.0.0.0/16" })).toMatchInlineSnapshot(`
      {
        "allowedUses": [
          "Workload",
          "Tunnel",
        ],
        "assignmentMode": "Automatic",
        "blockSize": 26,
        "cidr": "10.0.0.0/16",
        "disableBGPExport": false,
        "disabled": false,
        "ipipMode": "Never",
        "namespaceSelector": "",
        "natOutgoing": false,
        "nodeSelector": "all()",
        "vxlanMode": "Never",
      }
    `);
    expect(sound("IPPool", { cidr: "fd00:10::/64" })).toMatchObject({ blockSize: 122 });
    expect(sound("IPPool", { cidr: "10.0.0.0/28" })).toMatchObject({ blockSize: 28 });
  });

  test("VM addresses persist unless somebody says otherwise", () => {
    expect(sound("IPAMConfiguration", {})).toEqual({
      strictAffinity: false,
      autoAllocateBlocks: true,
      maxBlocksPerHost: 0,
      kubeVirtVMAddressPersistence: "Enabled",
      ipCooldownSeconds: 0,
    });
  });

  test("nodes may be kept to blocks that somebody else gave them", () =>
    expect(sound("IPAMConfiguration", { strictAffinity: true, autoAllocateBlocks: false })).toMatchObject({
      strictAffinity: true,
      autoAllocateBlocks: false,
    }));

  test("route priorities and the convergence time are the documented ones", () => {
    expect(sound("FelixConfiguration", {})).toMatchObject({
      ipv4NormalRoutePriority: 1024,
      ipv4ElevatedRoutePriority: 512,
      ipv6NormalRoutePriority: 1024,
      ipv6ElevatedRoutePriority: 512,
      liveMigrationRouteConvergenceTime: "30s",
    });
  });

  test.each([
    [{}, ["Ingress"]],
    [{ ingress: [] }, ["Ingress"]],
    [{ egress: [] }, ["Egress"]],
    [{ ingress: [], egress: [] }, ["Ingress", "Egress"]],
    [{ types: ["Egress"], ingress: [] }, ["Egress"]],
  ])("types of a policy with %j are %j", (spec, expected) => {
    expect(sound("NetworkPolicy", spec)).toMatchObject({ tier: "default", types: expected });
    expect(sound("GlobalNetworkPolicy", spec)).toMatchObject({ types: expected });
  });
});

describe("what is wrong is named by its field, with a remedy", () => {
  const rule = { action: "Allow" };
  test.each<[OwnKind, unknown, string]>([
    ["IPPool", {}, "spec.cidr"],
    ["IPPool", { cidr: "10.0.0.0/33" }, "spec.cidr"],
    ["IPPool", { cidr: "10.0.0.0/16", blockSize: 19 }, "spec.blockSize"],
    ["IPPool", { cidr: "10.0.0.0/27", blockSize: 26 }, "spec.blockSize"],
    ["IPPool", { cidr: "fd00::/64", blockSize: 26 }, "spec.blockSize"],
    ["IPPool", { cidr: "fd00::/64", ipipMode: "Always" }, "spec.ipipMode"],
    ["IPPool", { cidr: "10.0.0.0/16", ipipMode: "Always", vxlanMode: "Always" }, "spec.vxlanMode"],
    [
      "IPPool",
      { cidr: "10.0.0.0/16", vxlanMode: "Always", allowedUses: ["LoadBalancer"] },
      "spec.allowedUses",
    ],
    ["IPPool", { cidr: "10.0.0.0/16", nodeSelector: "a = 'b'" }, "spec.nodeSelector"],
    ["IPPool", { cidr: "10.0.0.0/16", allowedUses: ["Workload", "Pod"] }, "spec.allowedUses[1]"],
    ["IPReservation", { reservedCIDRs: ["10.0.0.1", "x"] }, "spec.reservedCIDRs[1]"],
    ["IPAMConfiguration", { strictAffinity: false, autoAllocateBlocks: false }, "spec.autoAllocateBlocks"],
    ["IPAMConfiguration", { ipCooldownSeconds: 1201 }, "spec.ipCooldownSeconds"],
    ["IPAMConfiguration", { kubeVirtVMAddressPersistence: "enabled" }, "spec.kubeVirtVMAddressPersistence"],
    [
      "IPAMBlock",
      { cidr: "10.0.0.0/26", allocations: [-1], unallocated: [], attributes: [] },
      "spec.allocations[0]",
    ],
    ["IPAMHandle", { handleID: "h", block: { nonsense: 1 } }, "spec.block.nonsense"],
    ["BlockAffinity", { state: "maybe", node: "n", cidr: "10.0.0.0/26" }, "spec.state"],
    ["FelixConfiguration", { ipv4NormalRoutePriority: 0 }, "spec.ipv4NormalRoutePriority"],
    ["FelixConfiguration", { ipv6ElevatedRoutePriority: 1024 }, "spec.ipv6ElevatedRoutePriority"],
    [
      "FelixConfiguration",
      { liveMigrationRouteConvergenceTime: "soon" },
      "spec.liveMigrationRouteConvergenceTime",
    ],
    [
      "FelixConfiguration",
      { failsafeInboundHostPorts: [{ protocol: "icmp", port: 1 }] },
      "spec.failsafeInboundHostPorts[0].protocol",
    ],
    ["NetworkPolicy", { ingress: [{ action: "allow" }] }, "spec.ingress[0].action"],
    [
      "NetworkPolicy",
      { ingress: [{ ...rule, source: { nets: ["10.0.0.0/8", "any"] } }] },
      "spec.ingress[0].source.nets[1]",
    ],
    ["NetworkPolicy", { ingress: [{ ...rule, destination: { ports: [80] } }] }, "spec.ingress[0].protocol"],
    [
      "NetworkPolicy",
      { ingress: [{ ...rule, protocol: "TCP", destination: { ports: ["90:80"] } }] },
      "spec.ingress[0].destination.ports[0]",
    ],
    ["NetworkPolicy", { ingress: [{ ...rule, protocol: "IPX" }] }, "spec.ingress[0].protocol"],
    [
      "NetworkPolicy",
      { ingress: [{ ...rule, protocol: "ICMP", icmp: { code: 1 } }] },
      "spec.ingress[0].icmp.code",
    ],
    ["NetworkPolicy", { ingress: [{ ...rule, icmp: { type: 8 } }] }, "spec.ingress[0].protocol"],
    ["NetworkPolicy", { ingress: [{ action: "Deny", http: { methods: ["GET"] } }] }, "spec.ingress[0].http"],
    ["GlobalNetworkPolicy", { doNotTrack: true }, "spec.applyOnForward"],
    ["GlobalNetworkPolicy", { doNotTrack: true, preDNAT: true, applyOnForward: true }, "spec.preDNAT"],
    ["GlobalNetworkPolicy", { preDNAT: true, applyOnForward: true, egress: [] }, "spec.egress"],
    ["HostEndpoint", { node: "n" }, "spec.interfaceName"],
    ["BGPPeer", { peerIP: "192.0.2.1" }, "spec.asNumber"],
    ["BGPPeer", { node: "a", nodeSelector: "all()" }, "spec.nodeSelector"],
    ["BGPFilter", { exportV4: [{ action: "Accept", cidr: "10.0.0.0/8" }] }, "spec.exportV4[0].matchOperator"],
    [
      "BGPFilter",
      { exportV4: [{ action: "Accept", cidr: "fd00::/8", matchOperator: "In" }] },
      "spec.exportV4[0].cidr",
    ],
    [
      "BGPFilter",
      { importV4: [{ action: "Reject", operations: [{ setPriority: { value: 5 } }] }] },
      "spec.importV4[0].operations",
    ],
    [
      "BGPFilter",
      { importV4: [{ action: "Accept", communities: { values: ["1"] } }] },
      "spec.importV4[0].communities.values[0]",
    ],
  ])("%s %j: %s", (kind, spec, field) => {
    const checked = check(kind, spec);
    if (checked.ok) throw new Error("it was accepted");
    expect(checked.problems.map((problem) => problem.field)).toContain(field);
    for (const { message, remedy } of checked.problems) {
      expect(message).not.toBe("");
      expect(remedy).toMatch(/\.$/);
    }
  });

  test("IPAMConfiguration has one name", () => {
    const checked = check("IPAMConfiguration", {}, "other");
    expect(checked).toMatchObject({
      ok: false,
      problems: [
        {
          field: "metadata.name",
          message: 'Cannot create an IPAMConfiguration resource with a name other than "default"',
        },
      ],
    });
  });

  test("an object of another kind is refused", () => {
    const pool = object("IPPool", { cidr: "10.0.0.0/16" });
    expect(kinds.IPReservation.schema?.check(pool)).toMatchObject({ ok: false });
    expect(kinds.IPPool.schema?.check(null)).toMatchObject({ ok: false });
  });
});

describe("data of older versions is read", () => {
  test("the deleted flag of an affinity may be a text", () => {
    const affinity = { state: "", node: "n", cidr: "10.0.0.0/26" };
    expect(sound("BlockAffinity", { ...affinity, deleted: "true" })).toMatchObject({
      deleted: true,
      type: "",
    });
    expect(sound("BlockAffinity", { ...affinity, deleted: "false" })).toMatchObject({ deleted: false });
    expect(sound("BlockAffinity", { ...affinity, deleted: false })).toMatchObject({ deleted: false });
    expect(sound("BlockAffinity", affinity)).toMatchObject({ deleted: false });
  });

  test("a block as the incumbent writes it comes back unchanged but for its counters", () => {
    const spec = {
      cidr: "10.244.0.0/30",
      affinity: "host:worker-1",
      allocations: [0, null, null, 1],
      unallocated: [1, 2],
      attributes: [
        { handle_id: "k8s-pod-network.abc", secondary: { pod: "p", namespace: "default", node: "worker-1" } },
        { handle_id: null, secondary: null, alternateOwnerAttrs: { pod: "q" } },
      ],
      deleted: false,
      strictAffinity: false,
      sequenceNumber: 1798000000000000123n,
      sequenceNumberForAllocation: { "0": 1798000000000000120n, "3": 5 },
      somethingNew: { kept: true },
    };
    const expected = { ...spec, sequenceNumberForAllocation: { "0": 1798000000000000120n, "3": 5n } };
    expect(sound("IPAMBlock", spec)).toEqual(expected);
  });

  test("protocols are read in any case, and numbers may be texts", () => {
    const policy = (protocol: unknown) => sound("NetworkPolicy", { ingress: [{ action: "Deny", protocol }] });
    expect(policy("tcp")).toMatchObject({ ingress: [{ protocol: "TCP" }] });
    expect(policy("89")).toMatchObject({ ingress: [{ protocol: 89 }] });
    expect(policy(89)).toMatchObject({ ingress: [{ protocol: 89 }] });
  });
});

test("an empty list is not an absent one", () => {
  const spec = { ingress: [{ action: "Allow", source: { nets: [], ports: [] } }], egress: [] };
  expect(sound("NetworkPolicy", spec)).toMatchObject({
    ingress: [{ source: { nets: [], ports: [] } }],
    egress: [],
  });
});

test("no input makes a schema throw, and what it accepts it accepts again unchanged", () => {
  const names = Object.keys(ownKinds) as OwnKind[];
  const field = fc.constantFrom(
    "cidr",
    "blockSize",
    "selector",
    "ingress",
    "nets",
    "node",
    "state",
    "block",
    "action",
  );
  const spec = fc.oneof(fc.anything(), fc.dictionary(field, fc.anything()));
  fc.assert(
    fc.property(fc.constantFrom(...names), spec, (kind, spec) => {
      const checked = check(kind, spec);
      if (checked.ok) expect(check(kind, checked.object.spec)).toEqual(checked);
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ["10.0.0.0/8", true],
  ["0.0.0.0/0", true],
  ["::/0", true],
  ["fd00::1/128", true],
  ["10.0.0/8", false],
  ["010.0.0.0/8", false],
  ["10.0.0.0/08", false],
  ["10.0.0.0/33", false],
  ["fd00::/129", false],
  ["fe80::1%eth0/64", false],
  ["10.0.0.0", false],
  ["10.0.0.0/8/8", false],
  ["", false],
])("%j as a CIDR: %s", (text, expected) => {
  expect(isCidr(text)).toBe(expected);
});

test.each([
  ["30s", 30_000],
  ["1m30s", 90_000],
  ["1.5h", 5_400_000],
  ["500ms", 500],
  ["0", 0],
  ["30", undefined],
  ["-1s", undefined],
  ["s", undefined],
])("%j lasts %s ms", (text, expected) => {
  expect(parseDuration(text)).toBe(expected);
});
