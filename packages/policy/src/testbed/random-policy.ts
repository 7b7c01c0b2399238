import fc from "fast-check";
import type { PolicyKind, PolicyObject } from "../engine.ts";
import { namespaces } from "./inhabitants.ts";

/** Small vocabularies, so that what is drawn meets often. */
const colours = ["a", "b"];
const ports = [80, 81, 443];
const portNames = ["http", "dns"];
const nets = [
  "198.51.100.0/24",
  "198.51.100.128/25",
  "10.66.0.16/30",
  "10.66.0.18/32",
  "0.0.0.0/0",
  "2001:db8:100::/48",
  "2001:db8:100:8000::/49",
  "fd00:66::10/126",
  "::/0",
];

const some = <T>(values: readonly T[], max = 2) => fc.subarray([...values], { minLength: 1, maxLength: max });
const maybe = <T>(arbitrary: fc.Arbitrary<T>, weight = 2) =>
  fc.option(arbitrary, { nil: undefined, freq: weight });

const labelSelector = fc.oneof(
  fc.constant({}),
  fc.constantFrom(...colours).map((app) => ({ matchLabels: { app } })),
  fc.constantFrom(
    { matchExpressions: [{ key: "role", operator: "Exists" as const }] },
    { matchExpressions: [{ key: "role", operator: "DoesNotExist" as const }] },
    { matchExpressions: [{ key: "app", operator: "In" as const, values: ["a", "c"] }] },
    { matchExpressions: [{ key: "app", operator: "NotIn" as const, values: ["a"] }] },
  ),
);

const namespaceSelector = fc.oneof(
  fc.constant({}),
  fc.constantFrom(...namespaces).map((team) => ({ matchLabels: { team } })),
);

const ipBlock = fc.oneof(
  fc.constantFrom(...nets).map((cidr) => ({ cidr })),
  fc.constantFrom(
    { cidr: "198.51.100.0/24", except: ["198.51.100.128/25"] },
    { cidr: "0.0.0.0/0", except: ["10.66.0.16/30", "198.51.100.1/32"] },
    { cidr: "::/0", except: ["2001:db8:100:8000::/49"] },
  ),
);

const kubernetesPeer = fc.oneof(
  ipBlock.map((block) => ({ ipBlock: block })),
  fc
    .record({ podSelector: maybe(labelSelector), namespaceSelector: maybe(namespaceSelector) })
    .filter(
      ({ podSelector, namespaceSelector: within }) => podSelector !== undefined || within !== undefined,
    ),
);

const kubernetesPort = fc.oneof(
  fc.record({ protocol: fc.constantFrom("TCP", "UDP", "SCTP"), port: fc.constantFrom(...ports) }),
  fc.record({ protocol: fc.constantFrom("TCP", "UDP", "SCTP") }),
  fc.record({
    protocol: fc.constantFrom("TCP", "UDP"),
    port: fc.constant(80),
    endPort: fc.constantFrom(80, 81),
  }),
  fc.record({ protocol: fc.constantFrom("TCP", "UDP"), port: fc.constantFrom(...portNames) }),
);

const kubernetesPolicy = fc
  .record({
    namespace: fc.constantFrom(...namespaces),
    podSelector: labelSelector,
    policyTypes: fc.constantFrom(["Ingress"], ["Egress"], ["Ingress", "Egress"]),
    ingress: fc.array(
      fc.record({
        from: maybe(fc.array(kubernetesPeer, { maxLength: 2 })),
        ports: maybe(fc.array(kubernetesPort, { maxLength: 3 })),
      }),
      { maxLength: 2 },
    ),
    egress: fc.array(
      fc.record({
        to: maybe(fc.array(kubernetesPeer, { maxLength: 2 })),
        ports: maybe(fc.array(kubernetesPort, { maxLength: 3 })),
      }),
      { maxLength: 2 },
    ),
  })
  .map(({ namespace, ...spec }) => ({ kind: "KubernetesNetworkPolicy" as const, namespace, spec }));

const selector = fc.constantFrom(
  "",
  "all()",
  "app == 'a'",
  "app != 'a'",
  "has(role)",
  "!has(role)",
  "app in {'a', 'c'}",
  "app not in {'b'} || has(role)",
  "app starts with 'a' && !(role == 'db')",
  "set == 'outside'",
);

const calicoPort = fc.oneof(
  fc.constantFrom<(number | string)[]>(80, 81, "80:81", "79:80", "443:65535", "40000:65535", "2000:39999"),
  fc.constantFrom(...portNames),
);

const entity = (withPorts: boolean) =>
  fc.record(
    {
      nets: fc.array(fc.constantFrom(...nets), { minLength: 1, maxLength: 3 }),
      notNets: fc.array(fc.constantFrom(...nets), { minLength: 1, maxLength: 2 }),
      selector,
      notSelector: fc.constantFrom("app == 'a'", "has(role)", "set == 'outside'"),
      namespaceSelector: fc.constantFrom("all()", "team == 'red'", "global()", "team != 'red'"),
      serviceAccounts: fc.constantFrom({ names: ["robot"] }, { selector: "kind == 'machine'" }),
      ...(withPorts
        ? {
            ports: fc.array(calicoPort, { minLength: 1, maxLength: 3 }),
            notPorts: fc.array(calicoPort, { minLength: 1, maxLength: 2 }),
          }
        : {}),
    },
    { requiredKeys: [] },
  );

const action = fc.constantFrom("Allow", "Deny", "Pass", "Log");

const calicoRule = fc.oneof(
  fc.record(
    {
      action,
      protocol: fc.constantFrom("TCP", "UDP", "SCTP"),
      ipVersion: fc.constantFrom(4, 6),
      source: entity(true),
      destination: entity(true),
    },
    { requiredKeys: ["action", "protocol"] },
  ),
  fc.record(
    {
      action,
      notProtocol: fc.constantFrom("TCP", "UDP", "ICMP"),
      source: entity(false),
      destination: entity(false),
    },
    { requiredKeys: ["action"] },
  ),
  fc.record(
    {
      action,
      protocol: fc.constantFrom("ICMP", "ICMPv6"),
      icmp: fc.constantFrom({ type: 8 }, { type: 128 }, { type: 8, code: 0 }, { type: 13 }),
      notICMP: fc.constantFrom({ type: 13 }, { type: 8, code: 1 }, { type: 128, code: 0 }),
      source: entity(false),
    },
    { requiredKeys: ["action", "protocol"] },
  ),
);

const calicoPolicy = fc
  .record({
    global: fc.boolean(),
    namespace: fc.constantFrom(...namespaces),
    tier: fc.constantFrom("default", "first"),
    order: maybe(fc.constantFrom(1, 2, 1000, 1001)),
    selector,
    types: fc.constantFrom(["Ingress"], ["Egress"], ["Ingress", "Egress"]),
    ingress: fc.array(calicoRule, { maxLength: 3 }),
    egress: fc.array(calicoRule, { maxLength: 3 }),
    onHost: fc.constantFrom(
      {},
      {},
      { applyOnForward: true },
      { applyOnForward: true, doNotTrack: true },
      { applyOnForward: true, preDNAT: true, types: ["Ingress"], egress: undefined },
    ),
  })
  .map(({ global, namespace, onHost, ...spec }) =>
    global
      ? { kind: "GlobalNetworkPolicy" as const, spec: { ...spec, ...onHost } }
      : { kind: "NetworkPolicy" as const, namespace, spec },
  );

const clusterPeer = fc.oneof(
  namespaceSelector.map((within) => ({ namespaces: within })),
  fc.record({ namespaceSelector, podSelector: labelSelector }).map((pods) => ({ pods })),
);

const clusterProtocol = fc.oneof(
  fc.constantFrom("tcp", "udp", "sctp").map((name) => ({ [name]: {} })),
  fc.constantFrom("tcp", "udp").map((name) => ({ [name]: { destinationPort: { number: 80 } } })),
  fc.constant({ tcp: { destinationPort: { range: { start: 80, end: 81 } } } }),
  fc.constant({ destinationNamedPort: "http" }),
);

const clusterRule = <Side extends "from" | "to">(side: Side) =>
  fc.record({
    action: fc.constantFrom("Accept", "Deny", "Pass"),
    protocols: maybe(fc.array(clusterProtocol, { minLength: 1, maxLength: 2 })),
    [side]: fc.array(
      side === "to"
        ? fc.oneof(
            clusterPeer,
            some(nets).map((networks) => ({ networks })),
          )
        : clusterPeer,
      { minLength: 1, maxLength: 2 },
    ),
  });

const clusterPolicy = fc
  .record({
    tier: fc.constantFrom("Admin", "Baseline"),
    priority: fc.integer({ min: 0, max: 3 }),
    subject: clusterPeer,
    ingress: fc.array(clusterRule("from"), { maxLength: 2 }),
    egress: fc.array(clusterRule("to"), { maxLength: 2 }),
  })
  .map((spec) => ({ kind: "ClusterNetworkPolicy" as const, spec }));

export interface RandomPolicy {
  readonly kind: PolicyKind;
  readonly namespace?: string;
  readonly spec: object;
}

/** A policy of any kind. */
export const anyPolicy: fc.Arbitrary<RandomPolicy> = fc.oneof(kubernetesPolicy, calicoPolicy, clusterPolicy);

export function toObject(policy: RandomPolicy, index: number): PolicyObject {
  const { namespace } = policy;
  const name = `p${index}`;
  return { metadata: namespace === undefined ? { name } : { name, namespace }, spec: policy.spec };
}
