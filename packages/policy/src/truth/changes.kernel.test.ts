import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectReached } from "./truth-table.ts";
import { TruthWorld } from "./truth-world.ts";
import {
  all,
  blocks,
  everyPodIn,
  from,
  ingress,
  inNamespaces,
  namespace,
  nobody,
  onPorts,
  type Policies,
  pod,
  type WayName,
} from "./vocabulary.ts";

/** What happens in a step; the policies are all there are from then on. */
interface Step {
  readonly policies?: Policies;
  readonly podLabels?: Readonly<Record<string, Record<string, string>>>;
  readonly namespaceLabels?: Readonly<Record<string, Record<string, string>>>;
  /** Who reaches x/a afterwards. */
  readonly reached: Partial<Record<WayName, readonly string[]>>;
}

const friends = { podSelector: { matchLabels: { role: "friend" } } };
const friendsAnywhere = { namespaceSelector: {}, ...friends };
const trusted = { namespaceSelector: { matchLabels: { trust: "yes" } } };

const stories: readonly { readonly name: string; readonly steps: readonly Step[] }[] = [
  {
    name: "a policy comes, changes and goes",
    steps: [
      { reached: { tcp80: all, udp80: all } },
      { policies: { "x/p": ingress(from(pod("b"))) }, reached: { tcp80: ["x/b"], udp80: ["x/b"] } },
      { policies: { "x/p": ingress(from(pod("c"))) }, reached: { tcp80: ["x/c"], udp80: ["x/c"] } },
      {
        policies: { "x/p": ingress({ ...from(pod("c")), ...onPorts({ port: 81 }) }) },
        reached: { tcp80: nobody, tcp81: ["x/c"], udp80: nobody },
      },
      { policies: {}, reached: { tcp80: all, tcp81: all, udp80: all } },
    ],
  },
  {
    name: "a second policy comes, the first goes",
    steps: [
      { policies: { "x/p": ingress(from(pod("b"))) }, reached: { tcp80: ["x/b"] } },
      {
        policies: { "x/p": ingress(from(pod("b"))), "x/q": ingress(from(namespace("y"))) },
        reached: { tcp80: ["x/b", ...inNamespaces("y")] },
      },
      { policies: { "x/q": ingress(from(namespace("y"))) }, reached: { tcp80: inNamespaces("y") } },
    ],
  },
  {
    name: "a policy turns to other pods, and back",
    steps: [
      { policies: { "x/p": ingress() }, reached: { tcp80: nobody, sctp80: nobody } },
      { policies: { "x/p": { ...ingress(), ...pod("b") } }, reached: { tcp80: all, sctp80: all } },
      { policies: { "x/p": everyPodIn(ingress()) }, reached: { tcp80: nobody, sctp80: nobody } },
    ],
  },
  {
    name: "a block grows an exception and loses it",
    steps: [
      {
        policies: { "x/p": ingress(from(...blocks("10.65.0.0/24", "fd00:65::/64"))) },
        reached: { tcp80: inNamespaces("x", "y", "z") },
      },
      {
        policies: {
          "x/p": ingress(
            from(...blocks("10.65.0.0/24", "fd00:65::/64", ["10.65.0.4/31"], ["fd00:65::4/127"])),
          ),
        },
        reached: { tcp80: ["x/b", "x/c", "y/c", ...inNamespaces("z")] },
      },
      {
        policies: { "x/p": ingress(from(...blocks("10.65.0.4/31", "fd00:65::4/127"))) },
        reached: { tcp80: ["y/a", "y/b"] },
      },
    ],
  },
  {
    name: "a pod is given a label, and loses it",
    steps: [
      { policies: { "x/p": ingress(from(friendsAnywhere)) }, reached: { tcp80: nobody, udp80: nobody } },
      { podLabels: { "y/b": { role: "friend" } }, reached: { tcp80: ["y/b"], udp80: ["y/b"] } },
      { podLabels: { "x/c": { role: "friend" } }, reached: { tcp80: ["x/c", "y/b"], udp80: ["x/c", "y/b"] } },
      { podLabels: { "y/b": { role: "foe" }, "x/c": {} }, reached: { tcp80: nobody, udp80: nobody } },
    ],
  },
  {
    name: "the subject is given a label that a policy selects",
    steps: [
      { policies: { "x/p": { ...friends, policyTypes: ["Ingress"] } }, reached: { tcp80: all } },
      { podLabels: { "x/a": { role: "friend" } }, reached: { tcp80: nobody } },
      { podLabels: { "x/a": {} }, reached: { tcp80: all } },
    ],
  },
  {
    name: "a namespace is given a label, and loses it",
    steps: [
      { policies: { "x/p": ingress(from(trusted)) }, reached: { tcp80: nobody, sctp81: nobody } },
      {
        namespaceLabels: { z: { trust: "yes" } },
        reached: { tcp80: inNamespaces("z"), sctp81: inNamespaces("z") },
      },
      {
        namespaceLabels: { z: { trust: "no" }, y: { trust: "yes" } },
        reached: { tcp80: inNamespaces("y"), sctp81: inNamespaces("y") },
      },
      { namespaceLabels: { y: {} }, reached: { tcp80: nobody, sctp81: nobody } },
    ],
  },
  {
    name: "pod and namespace are labelled one after the other",
    steps: [
      { policies: { "x/p": ingress(from({ ...trusted, ...friends })) }, reached: { tcp80: nobody } },
      { podLabels: { "y/c": { role: "friend" }, "z/c": { role: "friend" } }, reached: { tcp80: nobody } },
      { namespaceLabels: { y: { trust: "yes" } }, reached: { tcp80: ["y/c"] } },
      { namespaceLabels: { z: { trust: "yes" } }, reached: { tcp80: ["y/c", "z/c"] } },
      { podLabels: { "y/c": {} }, reached: { tcp80: ["z/c"] } },
    ],
  },
  {
    name: "labels that only pretend to be inherited are not believed",
    steps: [
      { policies: { "x/p": ingress(from(trusted)) }, reached: { tcp80: nobody } },
      {
        podLabels: { "y/b": { "pcns.trust": "yes", "projectcalico.org/namespace": "x" } },
        reached: { tcp80: nobody },
      },
    ],
  },
  {
    name: "GHSA-9m94-w2vq-hcf9: a pod dressed in another's labels is still a pod of its own namespace",
    steps: [
      { policies: { "x/p": ingress(from(pod("b"))) }, reached: { tcp80: ["x/b"] } },
      {
        podLabels: {
          "y/c": { pod: "b", "projectcalico.org/namespace": "x", "kubernetes.io/metadata.name": "x" },
        },
        reached: { tcp80: ["x/b"] },
      },
    ],
  },
  {
    name: "all at once in one transaction",
    steps: [
      { policies: { "x/p": ingress(from(trusted)) }, reached: { tcp80: nobody } },
      {
        policies: { "x/q": ingress({ ...from(friendsAnywhere), ...onPorts({ port: 81 }) }) },
        podLabels: { "z/a": { role: "friend" } },
        namespaceLabels: { y: { trust: "yes" } },
        reached: { tcp80: nobody, tcp81: ["z/a"] },
      },
    ],
  },
];

let world: TruthWorld;

beforeAll(async () => {
  world = await TruthWorld.open();
});

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

describe.each(stories)("who reaches x/a: $name", ({ steps }) => {
  afterAll(async () => {
    world.forget();
    await world.enforce({});
  });

  for (const [index, { policies, podLabels = {}, namespaceLabels = {}, reached }] of steps.entries()) {
    test(`step ${index + 1}: ${Object.keys(reached).join(", ")}`, async () => {
      for (const [key, labels] of Object.entries(podLabels)) world.labelPod(key, labels);
      for (const [key, labels] of Object.entries(namespaceLabels)) world.labelNamespace(key, labels);
      if (policies !== undefined) await world.enforce(policies);
      await world.settled();
      for (const [way, who] of Object.entries(reached) as [WayName, readonly string[]][])
        expectReached(world, "to", way, who);
    });
  }
});

test("a policy that cannot be read denies, and says why", async () => {
  await world.enforce({ "x/odd": ingress(onPorts({ protocol: "QUIC" })) });
  expectReached(world, "to", "tcp80", nobody);
  expect(world.engine.health().problems.map(({ message }) => message)).toEqual([
    expect.stringContaining("QUIC"),
  ]);
  await world.enforce({});
  expectReached(world, "to", "tcp80", all);
});

test("with the deny action Reject, whoever may not is told at once", async () => {
  await using strict = await TruthWorld.open({ denyAction: "Reject" });
  await strict.enforce({ "x/p": ingress(from(pod("b"))) });
  const pairs = [
    ["x/b", "x/a"],
    ["y/b", "x/a"],
  ] as const;
  for (const protocol of ["tcp", "udp"] as const) {
    const outcomes = strict.ask(pairs, { protocol, port: 80 }, () => true);
    expect(outcomes, protocol).toEqual([
      ["answered", "answered"],
      ["refused", "refused"],
    ]);
  }
});
