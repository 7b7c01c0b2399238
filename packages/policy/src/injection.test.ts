import fc from "fast-check";
import { expect, test } from "vitest";
import { createFakeDataplane } from "./fake.ts";
import { createPolicyEngine, type PolicyKind } from "./index.ts";
import { anyPolicy, toObject } from "./testbed/random-world.ts";

/** Milliseconds; a busy machine is no failure. */
const patience = 60_000;

/** What names in nf_tables may be made of, so that `nft list` can always be read back. */
const harmless = /^[A-Za-z][A-Za-z0-9_.-]*$/;
const harmlessComment = /^[A-Za-z0-9._/:-]*$/;

const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    '"; flush ruleset; #',
    "a\0b",
    "}\ntable x {",
    "$(reboot)",
    "../../etc",
    "@nets",
    "*",
    "__proto__",
    "constructor",
  ),
);

/** Texts and numbers where networks, addresses and ports are expected. */
const odd = fc.oneof(
  fc.constantFrom(
    "",
    "10.0.0.0/33",
    "010.0.0.0/8",
    "10/8",
    "::/129",
    "fe80::1%eth0/64",
    "::ffff:10.0.0.0/104",
    "0x0a.0.0.0/8",
    "10.0.0.0",
  ),
  fc.integer({ min: -1, max: 70_000 }),
  fc.double(),
  fc.constant(null),
);

const crooked = fc.tuple(odd, odd, odd).map(([cidr, port, endPort]) => ({
  podSelector: {},
  policyTypes: ["Ingress", "Egress"],
  ingress: [{ from: [{ ipBlock: { cidr, except: [cidr] } }], ports: [{ port, endPort }] }],
  egress: [
    { to: [{ ipBlock: { cidr: "0.0.0.0/0", except: [cidr] } }], ports: [{ port: 80 }, { port, endPort }] },
  ],
}));

const kinds: readonly PolicyKind[] = [
  "KubernetesNetworkPolicy",
  "NetworkPolicy",
  "GlobalNetworkPolicy",
  "ClusterNetworkPolicy",
  "NetworkSet",
  "Pod",
  "Namespace",
  "Tier",
  "EndpointSlice",
  "IPPool",
  "ServiceAccount",
];

test(
  "a hostile name, label or namespace never becomes part of the rules",
  async () => {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, hostile, hostile, async (name, namespace, key, value) => {
        const dataplane = createFakeDataplane();
        const engine = createPolicyEngine({ dataplane, nodeName: "node" });
        await engine.start();
        engine.synced();
        engine.endpoints.upsert({
          id: name,
          interfaceName: "cali1",
          pod: { namespace, name },
          labels: { [key]: value },
          serviceAccount: value,
          addresses: ["10.0.0.1"],
          macs: ["02:00:00:00:00:01"],
          ports: [{ name: value, protocol: "tcp", port: 80 }],
          state: "running",
        });
        engine.objects.upsert("KubernetesNetworkPolicy", {
          metadata: { namespace, name, labels: { [key]: value } },
          spec: {
            podSelector: {},
            ingress: [
              { from: [{ podSelector: { matchLabels: { [key]: value } } }], ports: [{ port: value || "x" }] },
            ],
          },
        });
        await engine.settled();
        const { chains, sets } = dataplane.ruleset.main;
        expect([...chains.keys(), ...sets.keys()].filter((each) => !harmless.test(each))).toEqual([]);
        const comments = [...chains.values(), ...sets.values()].map(({ comment }) => comment ?? "");
        expect(comments.filter((each) => !harmlessComment.test(each))).toEqual([]);
        await engine.close();
      }),
      { numRuns: 200 },
    );
  },
  patience,
);

test(
  "no object makes the engine throw or the dataplane refuse",
  async () => {
    const dataplane = createFakeDataplane();
    const engine = createPolicyEngine({ dataplane, nodeName: "node" });
    await engine.start();
    engine.synced();
    engine.endpoints.upsert({
      id: "e",
      interfaceName: "cali1",
      pod: { namespace: "red", name: "p" },
      labels: { app: "a" },
      addresses: ["10.0.0.1", "fd00::1"],
      macs: ["02:00:00:00:00:01"],
      state: "arriving",
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...kinds),
        fc.jsonValue(),
        fc.jsonValue(),
        anyPolicy,
        crooked,
        async (kind, spec, status, policy, strange) => {
          engine.objects.upsert(kind, { metadata: { namespace: "red", name: "x" }, spec, status });
          engine.objects.upsert(policy.kind, toObject(policy, 0));
          engine.objects.upsert("KubernetesNetworkPolicy", {
            metadata: { namespace: "red", name: "crooked" },
            spec: strange,
          });
          await engine.settled({ signal: AbortSignal.timeout(1_000) });
          engine.objects.remove(kind, { namespace: "red", name: "x" });
          await engine.settled({ signal: AbortSignal.timeout(1_000) });
          expect(engine.health().problems.filter((problem) => problem.kind === "Dataplane")).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  },
  patience,
);
