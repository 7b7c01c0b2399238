import {
  type ClusterNetworkPolicy,
  describeProblems,
  type EndpointSlice,
  type GlobalNetworkSet,
  type HostEndpoint,
  type IPPool,
  type KubernetesNetworkPolicy,
  type KubernetesObject,
  kinds,
  type NetworkSet,
  type Node,
  type Pod,
  type Profile,
  type Selector,
  type Tier,
} from "@fairlead/api";
import type { Calculator } from "./calc/calculator.ts";
import type { MemberSource } from "./calc/source.ts";
import type { NamedPort } from "./endpoint.ts";
import type { ObjectRef, PolicyKind, PolicyObject } from "./engine.ts";
import { PolicyError } from "./error.ts";
import type { FelixSettings } from "./felix-settings.ts";
import type { HostEndpoints } from "./host/host-endpoints.ts";
import { type CalicoPolicy, fromCalico, globalSubject, unenforced } from "./model/calico.ts";
import { checkModel, isAddress, isWhole, readAddress } from "./model/check.ts";
import { fromClusterNetworkPolicy } from "./model/cluster-network-policy.ts";
import { fromKubernetes } from "./model/kubernetes.ts";
import { inNamespace } from "./model/member-set.ts";
import type { PolicyModel } from "./model/policy.ts";
import type { Hex } from "./ruleset/ruleset.ts";

interface Handler {
  /** The object is read as it was written, without its defaults. */
  readonly raw?: true;
  /** @throws PolicyError `InvalidObject` */
  upsert(calculator: Calculator, object: KubernetesObject, key: string): void;
  /** What of the object is not enforced, if anything. */
  unenforced?(object: KubernetesObject): string | undefined;
  remove(calculator: Calculator, ref: ObjectRef): void;
}

/** Those who want to know about objects. */
export interface Destinations {
  readonly calculator: Calculator;
  readonly hosts: HostEndpoints;
  readonly felix: FelixSettings;
}

/** Reads objects of every kind and hands them to the calculator. */
export class ObjectReader {
  readonly #calculator: Calculator;
  readonly #handlers: Partial<Record<PolicyKind, Handler>>;
  readonly problems = new Map<string, string>();

  constructor({ calculator, hosts, felix }: Destinations) {
    this.#calculator = calculator;
    this.#handlers = { ...handlers, ...hostHandlers(hosts), ...felixHandlers(felix) };
  }

  /**
   * An object that cannot be read leaves its last good version in force. A policy that never had one denies what it selects, if
   * that can be told: for a namespaced policy its namespace, for a global one what its selector says.
   */
  upsert(kind: PolicyKind, object: PolicyObject): void {
    const name = object.metadata?.name;
    if (name === undefined)
      throw new PolicyError("InvalidObject", `A ${kind} without a name; hand over whole objects.`);
    const namespace = object.metadata?.namespace;
    const key = keyOf(kind, namespace === undefined ? { name } : { name, namespace });
    try {
      const handler = this.#handlers[kind];
      if (handler === undefined) return;
      const whole = handler.raw ? (object as KubernetesObject) : checked(kind, object);
      handler.upsert(this.#calculator, whole, key);
      const rest = handler.unenforced?.(whole);
      if (rest === undefined) this.problems.delete(key);
      else this.problems.set(key, rest);
    } catch (error) {
      this.problems.set(key, error instanceof Error ? error.message : String(error));
      const subject = subjectOfUnread(kind, object);
      if (subject !== undefined) this.#denyUnread(key, subject);
    }
  }

  remove(kind: PolicyKind, ref: ObjectRef): void {
    this.problems.delete(keyOf(kind, ref));
    this.#handlers[kind]?.remove(this.#calculator, ref);
  }

  #denyUnread(key: string, subject: Selector): void {
    if (this.#calculator.hasPolicy(key)) return;
    this.#calculator.upsertPolicy({
      key,
      tier: "default",
      order: Number.POSITIVE_INFINITY,
      subject,
      directions: new Set(["ingress", "egress"]),
      ingress: [],
      egress: [],
      staged: false,
      doNotTrack: false,
      preDNAT: false,
      applyOnForward: false,
    });
  }
}

const namespacedPolicies: ReadonlySet<PolicyKind> = new Set(["KubernetesNetworkPolicy", "NetworkPolicy"]);

/** Whom a policy that cannot be read would have been about, as far as that part of it can be read. */
function subjectOfUnread(kind: PolicyKind, { metadata, spec }: PolicyObject): Selector | undefined {
  if (namespacedPolicies.has(kind)) return inNamespace(metadata?.namespace ?? "default");
  if (kind !== "GlobalNetworkPolicy") return undefined;
  const { selector, namespaceSelector } = (spec ?? {}) as Record<string, unknown>;
  try {
    return globalSubject({ selector: textOf(selector), namespaceSelector: textOf(namespaceSelector) });
  } catch {
    // It is in `problems` already.
    return undefined;
  }
}

function textOf(value: unknown): string {
  if (value === undefined || typeof value === "string") return value ?? "";
  throw new PolicyError("InvalidObject", "A selector is a text.");
}

export function keyOf(kind: PolicyKind, ref: ObjectRef): string {
  return ref.namespace === undefined ? `${kind}/${ref.name}` : `${kind}/${ref.namespace}/${ref.name}`;
}

/** The object with its defaults filled in. Kinds of Kubernetes' own come checked from its server. */
function checked(kind: PolicyKind, object: PolicyObject): KubernetesObject {
  const known = kinds[kind];
  if (known.schema === undefined) return object as KubernetesObject;
  const result = known.schema.check({ ...object, apiVersion: known.apiVersion, kind: known.kind });
  if (result.ok) return result.object as KubernetesObject;
  throw new PolicyError("InvalidObject", describeProblems(result.problems));
}

const policy = (kind: PolicyKind, read: (object: KubernetesObject) => PolicyModel): Handler => ({
  upsert: (calculator, object) => calculator.upsertPolicy(checkModel(read(object))),
  remove: (calculator, ref) => calculator.removePolicy(keyOf(kind, ref)),
});

const calico = (kind: PolicyKind): Handler => ({
  ...policy(kind, (object) => fromCalico(kind, object as KubernetesObject & CalicoPolicy)),
  unenforced: (object) => unenforced((object as KubernetesObject & CalicoPolicy).spec),
});

const networkSet = (kind: "NetworkSet" | "GlobalNetworkSet"): Handler => ({
  upsert(calculator, object) {
    const { metadata, spec } = object as NetworkSet | GlobalNetworkSet;
    calculator.upsertSource({
      id: keyOf(kind, metadata),
      labels: metadata.labels ?? {},
      addresses: [],
      nets: spec.nets,
      namespace: metadata.namespace,
      isPod: false,
    });
  },
  remove: (calculator, ref) => calculator.removeSource(keyOf(kind, ref)),
});

const handlers: Partial<Record<PolicyKind, Handler>> = {
  KubernetesNetworkPolicy: policy("KubernetesNetworkPolicy", (object) =>
    fromKubernetes("KubernetesNetworkPolicy", object as KubernetesNetworkPolicy),
  ),
  StagedKubernetesNetworkPolicy: policy("StagedKubernetesNetworkPolicy", (object) =>
    fromKubernetes("StagedKubernetesNetworkPolicy", object as KubernetesNetworkPolicy),
  ),
  ClusterNetworkPolicy: policy("ClusterNetworkPolicy", (object) =>
    fromClusterNetworkPolicy(object as ClusterNetworkPolicy),
  ),
  NetworkPolicy: calico("NetworkPolicy"),
  GlobalNetworkPolicy: calico("GlobalNetworkPolicy"),
  StagedNetworkPolicy: calico("StagedNetworkPolicy"),
  StagedGlobalNetworkPolicy: calico("StagedGlobalNetworkPolicy"),
  Tier: {
    upsert(calculator, object) {
      const { metadata, spec } = object as Tier;
      const { order = Number.POSITIVE_INFINITY, defaultAction } = spec;
      calculator.upsertTier({ name: metadata.name, order, defaultAction });
    },
    remove: (calculator, { name }) => calculator.removeTier(name),
  },
  NetworkSet: networkSet("NetworkSet"),
  GlobalNetworkSet: networkSet("GlobalNetworkSet"),
  Namespace: {
    upsert: (calculator, { metadata }) => calculator.setNamespace(metadata.name, metadata.labels ?? {}),
    remove: (calculator, { name }) => calculator.setNamespace(name, undefined),
  },
  ServiceAccount: {
    upsert: (calculator, { metadata }) =>
      calculator.setServiceAccount(metadata.namespace ?? "default", metadata.name, metadata.labels ?? {}),
    remove: (calculator, { namespace = "default", name }) =>
      calculator.setServiceAccount(namespace, name, undefined),
  },
  Pod: {
    upsert(calculator, object, key) {
      const source = podSource(object as Pod, key);
      if (source === undefined) calculator.removeSource(key);
      else calculator.upsertSource(source);
    },
    remove: (calculator, ref) => calculator.removeSource(keyOf("Pod", ref)),
  },
  IPPool: {
    upsert(calculator, object) {
      const { metadata, spec } = object as IPPool;
      // Addresses of services alone are no destination inside.
      const inside = spec.allowedUses.some((use) => use !== "LoadBalancer");
      calculator.pools.setPool(
        metadata.name,
        inside ? { cidr: spec.cidr, natOutgoing: spec.natOutgoing } : undefined,
      );
    },
    remove: (calculator, { name }) => calculator.pools.setPool(name, undefined),
  },
  Node: {
    upsert(calculator, object) {
      const { metadata, status } = object as Node;
      const addresses = (status?.addresses ?? []).map(({ address }) => address).filter(isAddress);
      calculator.pools.setNode(metadata.name, addresses);
    },
    remove: (calculator, { name }) => calculator.pools.setNode(name, undefined),
  },
  EndpointSlice: {
    upsert: (calculator, object) => calculator.upsertSource(sliceSource(object as EndpointSlice)),
    remove: (calculator, ref) => calculator.removeSource(keyOf("EndpointSlice", ref)),
  },
};

const hostHandlers = (hosts: HostEndpoints): Partial<Record<PolicyKind, Handler>> => ({
  HostEndpoint: {
    upsert: (_, object) => hosts.upsert(object as HostEndpoint),
    remove: (_, { name }) => hosts.remove(name),
  },
  Profile: {
    upsert: (_, object) => hosts.upsertProfile(object as Profile),
    unenforced: (object) => unenforced((object as Profile).spec),
    remove: (_, { name }) => hosts.removeProfile(name),
  },
});

const felixHandlers = (felix: FelixSettings): Partial<Record<PolicyKind, Handler>> => ({
  FelixConfiguration: {
    raw: true,
    upsert: (_, object) => felix.upsert(object.metadata.name, (object as { spec?: unknown }).spec),
    remove: (_, { name }) => felix.remove(name),
  },
});

/** A pod that has ended, has no address yet or uses its node's is in no set. */
function podSource({ metadata, spec, status }: Pod, id: string): MemberSource | undefined {
  if (spec.hostNetwork || status?.phase === "Succeeded" || status?.phase === "Failed") return undefined;
  const addresses = readAddresses(status?.podIPs?.map(({ ip }) => ip));
  if (addresses.length === 0) return undefined;
  return {
    id,
    labels: metadata.labels ?? {},
    addresses,
    ports: podPorts(spec),
    namespace: metadata.namespace ?? "default",
    serviceAccount: spec.serviceAccountName ?? "default",
    isPod: true,
  };
}

/** Addresses as the kernel holds them; what is none is left out. */
function readAddresses(texts: readonly unknown[] = []): Hex[] {
  return texts.map(readAddress).filter((read) => read !== undefined);
}

const protocols = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;

/** The named ports of a pod's containers. */
export function podPorts({ initContainers = [], containers }: Pod["spec"]): NamedPort[] {
  const named: NamedPort[] = [];
  for (const list of [initContainers, containers]) {
    for (const { ports = [] } of list) {
      for (const { name, containerPort, protocol } of ports) {
        const port = name === undefined ? undefined : readPort(name, protocol, containerPort);
        if (port !== undefined) named.push(port);
      }
    }
  }
  return named;
}

function readPort(
  name: string,
  protocol: keyof typeof protocols = "TCP",
  port: unknown,
): NamedPort | undefined {
  if (protocols[protocol] === undefined || !isWhole(port, 65_535)) return undefined;
  return { name, protocol: protocols[protocol], port };
}

function sliceSource(slice: EndpointSlice): MemberSource {
  const { metadata } = slice;
  const service = metadata.labels?.["kubernetes.io/service-name"];
  const usable = slice.endpoints.filter(({ conditions }) => conditions?.ready !== false);
  return {
    id: keyOf("EndpointSlice", metadata),
    labels: {},
    addresses:
      slice.addressType === "FQDN" ? [] : readAddresses(usable.flatMap(({ addresses }) => addresses)),
    ports: (slice.ports ?? [])
      .map(({ name = "", protocol, port }) => readPort(name, protocol, port))
      .filter((port) => port !== undefined),
    namespace: metadata.namespace ?? "default",
    isPod: false,
    service: `${metadata.namespace ?? "default"}/${service ?? ""}`,
  };
}
