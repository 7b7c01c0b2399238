import { afterAll, beforeAll, expect, test } from "vitest";
import type { PolicyKind, PolicyObject } from "../engine.ts";
import { expectReached } from "./truth-table.ts";
import { TruthWorld } from "./truth-world.ts";
import { all, anyWay, but, inNamespaces, nobody, pods, type WayName } from "./vocabulary.ts";

/** Who reaches x/a under the kinds that Kubernetes' own policies know nothing of. */
interface Row {
  readonly name: string;
  readonly objects: readonly (readonly [
    kind: PolicyKind,
    metadata: PolicyObject["metadata"],
    spec: object,
  ])[];
  readonly reached: Partial<Record<WayName, readonly string[]>>;
}

const subject = { selector: "pod == 'a' && projectcalico.org/namespace == 'x'", types: ["Ingress"] };
const allow = (selector: string, more: object = {}) => ({ action: "Allow", source: { selector }, ...more });
const deny = (selector: string) => ({ action: "Deny", source: { selector } });
const pass = (selector: string) => ({ action: "Pass", source: { selector } });
const tier = (name: string, order: number, defaultAction = "Deny") =>
  ["Tier", { name }, { order, defaultAction }] as const;
const global = (name: string, spec: object) =>
  ["GlobalNetworkPolicy", { name }, { ...subject, ...spec }] as const;
const cluster = (name: string, tierName: "Admin" | "Baseline", ingress: object[]) =>
  [
    "ClusterNetworkPolicy",
    { name },
    {
      tier: tierName,
      priority: 1,
      subject: {
        pods: { namespaceSelector: { matchLabels: { ns: "x" } }, podSelector: { matchLabels: { pod: "a" } } },
      },
      ingress,
    },
  ] as const;
const namespaceOf = (ns: string) => [{ namespaces: { matchLabels: { ns } } }];

const rows: readonly Row[] = [
  {
    name: "lower order first",
    objects: [
      global("late", { order: 2, ingress: [allow("all()")] }),
      global("early", { order: 1, ingress: [deny("pod == 'b'")] }),
    ],
    reached: anyWay(pods.filter((key) => !key.endsWith("/b"))),
  },
  {
    name: "names decide where orders are the same",
    objects: [
      global("b", { order: 1, ingress: [allow("all()")] }),
      global("a", { order: 1, ingress: [deny("pod == 'b'")] }),
    ],
    reached: anyWay(pods.filter((key) => !key.endsWith("/b"))),
  },
  {
    name: "a tier ends with its default action, and later tiers are not asked",
    objects: [
      tier("first", 1),
      global("p", { tier: "first", ingress: [allow("pod == 'b'")] }),
      global("q", { ingress: [allow("all()")] }),
    ],
    reached: anyWay(["x/b", "y/b", "z/b"]),
  },
  {
    name: "a tier whose default is Pass asks the next",
    objects: [
      tier("first", 1, "Pass"),
      global("p", { tier: "first", ingress: [deny("pod == 'b'")] }),
      global("q", { ingress: [allow("pod in {'a', 'b'}")] }),
    ],
    reached: anyWay(["y/a", "z/a"]),
  },
  {
    name: "Pass goes to the next tier at once",
    objects: [
      tier("first", 1),
      global("p", { tier: "first", ingress: [pass("pod == 'b'"), allow("pod == 'c'"), deny("pod == 'b'")] }),
      global("q", { ingress: [allow("projectcalico.org/namespace == 'y'")] }),
    ],
    reached: anyWay(["x/c", "y/b", "y/c", "z/c"]),
  },
  {
    name: "Pass in the last tier asks the namespace's profile, which allows",
    objects: [global("p", { ingress: [pass("pod == 'b'"), deny("all()")] })],
    reached: anyWay(["x/b", "y/b", "z/b"]),
  },
  {
    name: "Log decides nothing",
    objects: [global("p", { ingress: [{ action: "Log" }, allow("pod == 'c'")] })],
    reached: anyWay(["x/c", "y/c", "z/c"]),
  },
  {
    name: "what a rule excludes",
    objects: [
      global("p", {
        ingress: [
          {
            action: "Allow",
            protocol: "TCP",
            source: { notSelector: "pod == 'b'", notNets: ["10.65.0.4/32", "fd00:65::4/128"] },
            destination: { notPorts: [81] },
          },
          { action: "Allow", notProtocol: "TCP" },
        ],
      }),
    ],
    reached: { tcp80: but("x/b", "y/a", "y/b", "z/b"), tcp81: nobody, udp80: all, sctp81: all },
  },
  {
    name: "accounts by name and by label",
    objects: [
      ["ServiceAccount", { namespace: "y", name: "robot", labels: { kind: "machine" } }, {}],
      global("p", {
        ingress: [
          {
            action: "Allow",
            source: { serviceAccounts: { names: ["robot"] }, namespaceSelector: "ns == 'z'" },
          },
          { action: "Allow", source: { serviceAccounts: { selector: "kind == 'machine'" } } },
        ],
      }),
    ],
    reached: anyWay(["y/c", "z/c"]),
  },
  {
    name: "network sets, with the labels that select them",
    objects: [
      [
        "GlobalNetworkSet",
        { name: "far", labels: { where: "far" } },
        { nets: ["192.0.2.0/24", "2001:db8::/64"] },
      ],
      [
        "NetworkSet",
        { namespace: "y", name: "near", labels: { where: "near" } },
        { nets: ["10.65.0.2/32", "fd00:65::2/128"] },
      ],
      global("p", { ingress: [allow("where in {'far', 'near'}")] }),
    ],
    reached: anyWay(["x/b", "world"]),
  },
  {
    name: "staged policies are not enforced",
    objects: [
      ["StagedGlobalNetworkPolicy", { name: "p" }, { ...subject, ingress: [deny("all()")] }],
      ["StagedNetworkPolicy", { namespace: "x", name: "p" }, { selector: "all()", ingress: [deny("all()")] }],
      [
        "StagedKubernetesNetworkPolicy",
        { namespace: "x", name: "p" },
        { podSelector: {}, policyTypes: ["Ingress"] },
      ],
    ],
    reached: anyWay(all),
  },
  {
    name: "an administrator's denial goes before what a namespace allows",
    objects: [
      cluster("p", "Admin", [{ action: "Deny", from: namespaceOf("y") }]),
      ["KubernetesNetworkPolicy", { namespace: "x", name: "q" }, { podSelector: {}, ingress: [{}] }],
    ],
    reached: anyWay(but(...inNamespaces("y"))),
  },
  {
    name: "an administrator's allowance goes before what a namespace denies",
    objects: [
      cluster("p", "Admin", [
        {
          action: "Accept",
          from: namespaceOf("y"),
          protocols: [{ tcp: { destinationPort: { number: 80 } } }],
        },
      ]),
      [
        "KubernetesNetworkPolicy",
        { namespace: "x", name: "q" },
        { podSelector: {}, policyTypes: ["Ingress"] },
      ],
    ],
    reached: { tcp80: inNamespaces("y"), tcp81: nobody, udp80: nobody },
  },
  {
    name: "the baseline counts where the namespace says nothing",
    objects: [cluster("p", "Baseline", [{ action: "Deny", from: namespaceOf("z") }])],
    reached: anyWay(but(...inNamespaces("z"))),
  },
  {
    name: "the baseline does not count where the namespace decides",
    objects: [
      cluster("p", "Baseline", [{ action: "Deny", from: namespaceOf("z") }]),
      ["KubernetesNetworkPolicy", { namespace: "x", name: "q" }, { podSelector: {}, ingress: [{}] }],
    ],
    reached: anyWay(all),
  },
];

let world: TruthWorld;

beforeAll(async () => {
  world = await TruthWorld.open();
});

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

test.each(rows)("who reaches x/a: $name", async ({ objects, reached }) => {
  for (const [kind, metadata, spec] of objects)
    world.engine.objects.upsert(kind, { ...(metadata ? { metadata } : {}), spec });
  await world.settled();
  expect(world.engine.health().problems).toEqual([]);
  for (const [way, who] of Object.entries(reached) as [WayName, readonly string[]][])
    expectReached(world, "to", way, who);
  for (const [kind, metadata] of objects) {
    const { name = "", namespace } = metadata ?? {};
    world.engine.objects.remove(kind, namespace === undefined ? { name } : { name, namespace });
  }
  await world.settled();
  expectReached(world, "to", "tcp80", all);
});

test("a rule that names a service follows its endpoints and their ports", async () => {
  const slice = (addresses: string[], port: number, addressType: "IPv4" | "IPv6") =>
    ({
      metadata: {
        namespace: "y",
        name: `web-${addressType}`,
        labels: { "kubernetes.io/service-name": "web" },
      },
      addressType,
      endpoints: [{ addresses }],
      ports: [{ name: "", protocol: "TCP", port }],
    }) as PolicyObject;
  const serve = async (number: number, port: number) => {
    world.engine.objects.upsert("EndpointSlice", slice([`10.65.0.${number}`], port, "IPv4"));
    world.engine.objects.upsert("EndpointSlice", slice([`fd00:65::${number}`], port, "IPv6"));
    await world.settled();
  };
  world.engine.objects.upsert("NetworkPolicy", {
    metadata: { namespace: "x", name: "to-service" },
    spec: {
      selector: "pod == 'a'",
      types: ["Egress"],
      egress: [{ action: "Allow", destination: { services: { name: "web", namespace: "y" } } }],
    },
  });
  await serve(4, 80);
  expectReached(world, "from", "tcp80", ["y/a"]);
  expectReached(world, "from", "tcp81", nobody);
  await serve(5, 81);
  expectReached(world, "from", "tcp80", nobody);
  expectReached(world, "from", "tcp81", ["y/b"]);
  expectReached(world, "from", "udp81", nobody);
});
