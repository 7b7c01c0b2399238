import type { PolicyKind } from "../engine.ts";

export const namespaces = ["red", "blue"];

/** Everybody who can send or receive. `local` ones are endpoints of the node under test. */
export interface Inhabitant {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly local: boolean;
  readonly ipv4: string;
  readonly ipv6: string;
}

const cast: readonly Omit<Inhabitant, "ipv4" | "ipv6">[] = [
  { name: "l0", namespace: "red", labels: { app: "a" }, serviceAccount: "default", local: true },
  { name: "l1", namespace: "red", labels: { app: "b", role: "db" }, serviceAccount: "robot", local: true },
  { name: "l2", namespace: "blue", labels: { app: "a" }, serviceAccount: "default", local: true },
  { name: "r0", namespace: "red", labels: { app: "a", role: "db" }, serviceAccount: "robot", local: false },
  { name: "r1", namespace: "blue", labels: { app: "b" }, serviceAccount: "default", local: false },
  { name: "r2", namespace: "blue", labels: {}, serviceAccount: "robot", local: false },
];

export const inhabitants: readonly Inhabitant[] = cast.map((each, index) => ({
  ...each,
  ipv4: `10.66.0.${16 + index}`,
  ipv6: `fd00:66::${(16 + index).toString(16)}`,
}));

/** Addresses outside the cluster. */
export const outsiders = [
  { ipv4: "198.51.100.1", ipv6: "2001:db8:100::1" },
  { ipv4: "198.51.100.129", ipv6: "2001:db8:100:8000::1" },
] as const;

/** The position of the node itself: after everybody else. */
export const node = inhabitants.length + outsiders.length;

export const podPorts = [
  { name: "http", containerPort: 80, protocol: "TCP" as const },
  { name: "dns", containerPort: 81, protocol: "UDP" as const },
];

/** The policies' labels fit the node's interface to the world as well. */
export const uplinkEndpoint = "HostEndpoint/uplink";

/** The cluster's objects besides policies. */
export const worldObjects: readonly (readonly [PolicyKind, object])[] = [
  ...namespaces.map((name) => ["Namespace", { metadata: { name, labels: { team: name } } }] as const),
  ...namespaces.map(
    (namespace) =>
      ["ServiceAccount", { metadata: { namespace, name: "robot", labels: { kind: "machine" } } }] as const,
  ),
  [
    "Profile",
    {
      metadata: { name: "world" },
      spec: { ingress: [{ action: "Allow", protocol: "UDP" }], labelsToApply: { role: "db" } },
    },
  ],
  [
    "HostEndpoint",
    {
      metadata: { name: "uplink", labels: { app: "a" } },
      spec: { node: "node", interfaceName: "uplink", profiles: ["world"] },
    },
  ],
  ["Tier", { metadata: { name: "first" }, spec: { order: 10, defaultAction: "Pass" } }],
  [
    "GlobalNetworkSet",
    {
      metadata: { name: "outside", labels: { set: "outside" } },
      spec: { nets: ["198.51.100.0/25", "2001:db8:100::/49"] },
    },
  ],
  [
    "NetworkSet",
    {
      metadata: { namespace: "red", name: "half", labels: { set: "outside", app: "a" } },
      spec: { nets: ["198.51.100.128/25"] },
    },
  ],
  ...inhabitants.map(
    ({ name, namespace, labels, serviceAccount, ipv4, ipv6 }) =>
      [
        "Pod",
        {
          metadata: { name, namespace, labels },
          spec: { serviceAccountName: serviceAccount, containers: [{ name: "main", ports: podPorts }] },
          status: { phase: "Running", podIPs: [{ ip: ipv4 }, { ip: ipv6 }] },
        },
      ] as const,
  ),
];
