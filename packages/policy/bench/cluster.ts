import type { LocalEndpoint, PolicyKind, PolicyObject } from "../src/index.ts";

export interface ClusterSize {
  readonly policies: number;
  readonly pods: number;
  readonly endpoints: number;
  readonly sets: number;
}

const namespaceCount = 100;
const appsPerNamespace = 20;

const namespaceName = (index: number) => `team-${index % namespaceCount}`;
/** Pods of one app share labels; there are as many apps as sets. */
const appOf = (index: number) => Math.floor(index / namespaceCount) % appsPerNamespace;

const ipv4 = (index: number) => `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
const ipv6 = (index: number) => `fd00:100::${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}`;

/** Pod number `index`; with another `version`, of another app. */
export function podObject(index: number, version = 0): PolicyObject {
  return {
    metadata: { namespace: namespaceName(index), name: `pod-${index}`, labels: podLabels(index, version) },
    spec: { containers: [] },
    status: { phase: "Running", podIPs: [{ ip: ipv4(index) }, { ip: ipv6(index) }] },
  };
}

export function podLabels(index: number, version = 0): Record<string, string> {
  return {
    app: `app-${(appOf(index) + version) % appsPerNamespace}`,
    release: `r${index % 7}`,
    "pod-template-hash": `h${index}`,
  };
}

/** Selects one app of a namespace and lets in another one: each pair of namespace and app is one set. */
export function policyObject(index: number, size: ClusterSize, version = 0): PolicyObject {
  const set = index % size.sets;
  return {
    metadata: { namespace: namespaceName(index), name: `policy-${index}` },
    spec: {
      podSelector: { matchLabels: { app: `app-${appOf(index)}` } },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { team: namespaceName(set) } },
              podSelector: {
                matchLabels: { app: `app-${Math.floor(set / namespaceCount) % appsPerNamespace}` },
              },
            },
            { ipBlock: { cidr: `172.16.${index & 255}.0/24` } },
          ],
          ports: [{ port: 80 + version }, { port: 8000, endPort: 8100 }],
        },
      ],
      egress: [{ to: [{ podSelector: {} }], ports: [{ port: 53, protocol: "UDP" }] }],
    },
  };
}

export type KindAndObject = readonly [PolicyKind, PolicyObject];

export function* namespaceObjects(): Generator<KindAndObject> {
  for (let index = 0; index < namespaceCount; index++) {
    yield ["Namespace", { metadata: { name: namespaceName(index), labels: { team: namespaceName(index) } } }];
  }
}

export function* objects(size: ClusterSize): Generator<KindAndObject> {
  yield* namespaceObjects();
  for (let index = 0; index < size.policies; index++)
    yield ["KubernetesNetworkPolicy", policyObject(index, size)];
  for (let index = size.endpoints; index < size.pods; index++) yield ["Pod", podObject(index)];
}

export function localEndpoint(index: number): LocalEndpoint {
  return {
    id: `pod-${index}`,
    interfaceName: `cali${String(index).padStart(8, "0")}`,
    pod: { namespace: namespaceName(index), name: `pod-${index}` },
    labels: podLabels(index),
    serviceAccount: "default",
    addresses: [ipv4(index), ipv6(index)],
    macs: [
      `02:00:00:00:${(index >> 8).toString(16).padStart(2, "0")}:${(index & 255).toString(16).padStart(2, "0")}`,
    ],
    state: "running",
  };
}
