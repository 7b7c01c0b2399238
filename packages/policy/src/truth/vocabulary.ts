import type { NamedPort } from "../endpoint.ts";
import type { Way } from "../testbed/attempt.ts";

/** Three namespaces with three pods each, as in the usual conformance suites, and the world beyond the node. */
export const namespaceNames = ["x", "y", "z"] as const;
const podNames = ["a", "b", "c"] as const;
export const everyPod: readonly string[] = namespaceNames.flatMap((namespace) =>
  podNames.map((name) => `${namespace}/${name}`),
);
export const everybody: readonly string[] = [...everyPod, "world"];

/** Pods have 10.65.0.1 to 10.65.0.9 and fd00:65::1 to ::9 in the order above; the world 192.0.2.7 and 2001:db8::7. */
const port = (name: string, protocol: NamedPort["protocol"], number: number) =>
  ({ name, protocol, port: number }) as const;

/** The same name is another number in pods b, and nothing in pods c. */
export const namedPorts: Readonly<Record<string, readonly NamedPort[]>> = {
  a: [port("web", "tcp", 80), port("admin", "tcp", 81), port("dns", "udp", 80), port("call", "sctp", 80)],
  b: [port("web", "tcp", 81), port("admin", "tcp", 80), port("dns", "udp", 80)],
  c: [],
};

/** Service accounts of the pods that have another than `default`. */
export const accounts: Readonly<Record<string, string>> = { c: "robot" };

/** How the subject is asked, by the short name the tables use. */
export const ways = {
  tcp79: { protocol: "tcp", port: 79 },
  tcp80: { protocol: "tcp", port: 80 },
  tcp81: { protocol: "tcp", port: 81 },
  tcp82: { protocol: "tcp", port: 82 },
  udp79: { protocol: "udp", port: 79 },
  udp80: { protocol: "udp", port: 80 },
  udp81: { protocol: "udp", port: 81 },
  udp82: { protocol: "udp", port: 82 },
  sctp79: { protocol: "sctp", port: 79 },
  sctp80: { protocol: "sctp", port: 80 },
  sctp81: { protocol: "sctp", port: 81 },
  sctp82: { protocol: "sctp", port: 82 },
} as const satisfies Record<string, Way>;

export type WayName = keyof typeof ways;

export interface PolicySpec {
  readonly podSelector?: object;
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly object[];
  readonly egress?: readonly object[];
}

/** By `namespace/name`. */
export type Policies = Readonly<Record<string, PolicySpec>>;

export const all: readonly string[] = everybody.filter((key) => key !== "x/a");
export const nobody: readonly string[] = [];

/** Those of `all` in these namespaces. */
export const inNamespaces = (...names: string[]): readonly string[] =>
  all.filter((key) => names.includes(key.slice(0, key.indexOf("/"))));
export const pods: readonly string[] = inNamespaces("x", "y", "z");
export const but = (...keys: string[]): readonly string[] => all.filter((key) => !keys.includes(key));

export const pod = (name: string) => ({ podSelector: { matchLabels: { pod: name } } });
export const namespace = (name: string) => ({ namespaceSelector: { matchLabels: { ns: name } } });
export const expression = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, ...(values.length > 0 ? { values } : {}) }],
});
/** A block of each family. */
export const blocks = (four: string, six: string, except4?: string[], except6?: string[]) => [
  { ipBlock: { cidr: four, ...(except4 ? { except: except4 } : {}) } },
  { ipBlock: { cidr: six, ...(except6 ? { except: except6 } : {}) } },
];

const subject = { podSelector: { matchLabels: { pod: "a" } } };

/** Policies of the subject's namespace that select pods a. */
export const ingress = (...rules: object[]): PolicySpec => ({
  ...subject,
  policyTypes: ["Ingress"],
  ingress: rules,
});
export const egress = (...rules: object[]): PolicySpec => ({
  ...subject,
  policyTypes: ["Egress"],
  egress: rules,
});
/** Policies that select every pod of their namespace. */
export const everyPodIn = (spec: PolicySpec): PolicySpec => ({ podSelector: {}, ...spec });

export const from = (...peers: object[]) => ({ from: peers });
export const to = (...peers: object[]) => ({ to: peers });
export const onPorts = (...ports: object[]) => ({ ports });

/** The same answer whether asked with TCP, UDP or SCTP. */
export const anyWay = (who: readonly string[]) => ({ tcp80: who, udp81: who, sctp82: who });
