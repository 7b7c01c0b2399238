import type { LocalEndpoint } from "../endpoint.ts";
import type { PolicyKind, PolicyObject } from "../engine.ts";
import type { Draws } from "./seeded.ts";

/** What somebody who may name things would try, to be put together at random. */
const pieces = [
  '"',
  "'",
  "\\",
  ";",
  "\n",
  "\r\n",
  "}",
  "{",
  "#",
  "\0",
  "$(reboot)",
  "`id`",
  "flush ruleset",
  "accept",
  "table inet fairlead",
  "@nets",
  "*",
  "..",
  "/",
  " ",
  "-",
  ":",
  "=",
  "a",
  "cali1",
  "é",
  "\u{1f4a9}",
  "\ud800",
  "\u202e",
  "\x7f",
  "\x1b[2J",
  "__proto__",
  "constructor",
  "toString",
  "%s%n",
  "x".repeat(300),
];

const strange: readonly unknown[] = [
  null,
  0,
  -1,
  65_536,
  1e300,
  Number.NaN,
  "",
  "0x50",
  "010.0.0.0/8",
  "10/8",
  "10.0.0.0/33",
  "::/129",
  "::ffff:10.0.0.0/104",
  "fe80::1%eth0/64",
  "80:79",
  "1:65536",
  [],
  {},
  [{}],
  true,
];

/** A name, label or annotation as nobody wants it. */
export function hostileText(draws: Draws): string {
  return Array.from({ length: draws.number(6) }, () => draws.pick(pieces)).join("");
}

export type Input = readonly [kind: PolicyKind, object: PolicyObject];

/** All of them are about this namespace and these labels, so that what can be read is rendered. */
const namespace = "shop";
export const victim: LocalEndpoint = {
  id: "vm",
  interfaceName: "cali1",
  pod: { namespace, name: "vm" },
  labels: { role: "web" },
  addresses: ["10.0.0.1", "fd00::1"],
  macs: ["02:00:00:00:00:01"],
  state: "arriving",
};

/** An object of some kind with hostile texts wherever a user may write one, and now and then no text at all. */
export function hostileObject(draws: Draws): Input {
  const text = () => hostileText(draws);
  const quoted = () => `'${text().replaceAll("'", "")}'`;
  const odd = (usual: unknown) => (draws.number(4) === 0 ? draws.pick(strange) : usual);
  const labels = () => ({ [text()]: text(), role: draws.pick(["web", text()]) });
  const metadata = { name: text() || "x", labels: labels(), annotations: labels() };
  const own = { ...metadata, namespace };
  const selector = () =>
    odd(draws.pick([`role != ${quoted()}`, `!has(x) || a in {${quoted()}}`, text(), "all()"]));
  const entity = () => ({
    selector: selector(),
    nets: odd(["10.0.0.0/8", odd("fd00::/8")]),
    ports: odd([80, odd("81:90"), text()]),
    serviceAccounts: odd({ names: [text()], selector: selector() }),
  });
  const rule = () => ({
    action: odd(draws.pick(["Allow", "Deny", "Pass", "Log"])),
    protocol: odd(draws.pick(["TCP", "UDP", 132])),
    source: entity(),
    destination: draws.pick([entity(), { services: { name: text(), namespace: text() } }]),
    metadata: { annotations: labels() },
  });
  const calico = () => ({
    selector: odd(draws.pick(["all()", `role == 'web'`])),
    types: ["Ingress", "Egress"],
    ingress: [rule()],
    egress: [
      { action: "Allow", destination: { selector: `x == ${quoted()}`, nets: ["10.0.0.0/8"] } },
      rule(),
    ],
  });
  const kubernetes = () => ({
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
    ingress: [
      {
        from: [
          { podSelector: { matchLabels: labels() } },
          { ipBlock: { cidr: odd("10.0.0.0/8"), except: [odd("10.1.0.0/16")] } },
        ],
        ports: [{ port: odd(text()) }, { port: odd(80), endPort: odd(90) }],
      },
    ],
    egress: [
      {
        to: [
          { namespaceSelector: { matchExpressions: [{ key: text(), operator: "In", values: [text()] }] } },
        ],
      },
    ],
  });
  const named = [{ name: text(), protocol: "TCP", port: odd(80), containerPort: odd(80) }];
  const makers: readonly (() => Input)[] = [
    () => ["KubernetesNetworkPolicy", { metadata: own, spec: kubernetes() }],
    () => ["NetworkPolicy", { metadata: own, spec: calico() }],
    () => ["GlobalNetworkPolicy", { metadata, spec: { ...calico(), tier: odd("default") } }],
    () => [
      "ClusterNetworkPolicy",
      {
        metadata,
        spec: {
          tier: "Admin",
          priority: odd(1),
          subject: { namespaces: {} },
          ingress: [
            {
              name: text(),
              action: odd("Accept"),
              from: [{ namespaces: { matchLabels: labels() } }],
              protocols: [{ destinationNamedPort: text() }],
            },
          ],
          egress: [{ action: "Deny", to: [{ networks: [odd("10.0.0.0/8")] }] }],
        },
      },
    ],
    () => ["NetworkSet", { metadata: own, spec: { nets: [odd("10.0.0.0/8"), odd("fd00::/8")] } }],
    () => [
      "Pod",
      {
        metadata: own,
        spec: { serviceAccountName: text(), containers: [{ name: text(), ports: named }] },
        status: { phase: "Running", podIPs: [{ ip: odd("10.2.0.1") }, { ip: odd("fd00::2") }] },
      },
    ],
    () => [
      "EndpointSlice",
      {
        metadata: { ...own, labels: { "kubernetes.io/service-name": text() } },
        addressType: "IPv4",
        endpoints: [{ addresses: [odd("10.3.0.1")] }],
        ports: named,
      } as PolicyObject,
    ],
    () => ["Namespace", { metadata: { name: namespace, labels: labels() } }],
    () => ["ServiceAccount", { metadata: own }],
    () => ["Tier", { metadata, spec: { order: odd(1), defaultAction: odd("Pass") } }],
    () => ["Profile", { metadata, spec: { ingress: [rule()], labelsToApply: labels() } }],
    () => [
      "HostEndpoint",
      {
        metadata,
        spec: {
          node: "node",
          interfaceName: odd(draws.pick(["*", "eth0", text()])),
          expectedIPs: [odd("10.4.0.1")],
          profiles: [text()],
          ports: named,
        },
      },
    ],
    () => ["IPPool", { metadata, spec: { cidr: odd("10.5.0.0/16"), natOutgoing: true } }],
    () => [
      "FelixConfiguration",
      {
        metadata: { name: "default" },
        spec: {
          interfacePrefix: odd(`cali,${text()}`),
          natOutgoingAddress: odd(text()),
          natPortRange: odd("1000:2000"),
          nftablesMarkMask: odd(0xff00),
          failsafeInboundHostPorts: [{ protocol: odd("TCP"), port: odd(22), net: odd("10.0.0.0/8") }],
        },
      },
    ],
  ];
  return draws.pick(makers)();
}
