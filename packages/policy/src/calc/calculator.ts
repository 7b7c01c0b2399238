import { compileSelector, type LabelPredicate } from "@fairlead/api";
import type { LocalEndpoint } from "../endpoint.ts";
import type { HostInterface, Layer } from "../host/host-endpoint.ts";
import { profileKey, profileTier } from "../host/profile.ts";
import { labelKeys } from "../model/member-set.ts";
import type { MemberSet, PolicyModel, TierModel } from "../model/policy.ts";
import type { NatPool } from "../render/nat.ts";
import type { AppliedTier } from "./evaluate.ts";
import { type Belonging, effectiveLabels, type LabelParents } from "./labels.ts";
import { MemberSets, type MemberSource } from "./member-sets.ts";
import { applyOrder, tierWithoutObject } from "./ordering.ts";

type Labels = Readonly<Record<string, string>>;

/** A source before inheritance. */
export interface CalculatorSource extends MemberSource {
  readonly namespace?: string | undefined;
  readonly serviceAccount?: string | undefined;
  readonly isPod: boolean;
}

interface Policy {
  readonly model: PolicyModel;
  readonly matches: LabelPredicate;
  readonly namespace: string | undefined;
  /** Local endpoints it applies to. */
  readonly endpoints: Set<string>;
}

/** What policies select: an endpoint's own labels, and where it inherits others from. */
interface Subject extends Belonging {
  readonly id: string;
  readonly labels: Labels;
}

interface Endpoint {
  readonly subject: Subject;
  readonly policies: Set<Policy>;
  /** One of the two. */
  readonly endpoint?: LocalEndpoint;
  readonly host?: HostInterface;
}

const layers: Readonly<Record<Layer, (policy: PolicyModel) => boolean>> = {
  normal: ({ doNotTrack, preDNAT }) => !doNotTrack && !preDNAT,
  forward: ({ doNotTrack, preDNAT, applyOnForward }) => applyOnForward && !doNotTrack && !preDNAT,
  untracked: ({ doNotTrack }) => doNotTrack,
  preDNAT: ({ preDNAT }) => preDNAT,
};

/** What has to be written anew since the last `settle`. */
export interface Calculated {
  readonly endpoints: ReadonlySet<string>;
  readonly policies: ReadonlySet<string>;
  /** Something about this node's host endpoints. */
  readonly hosts: boolean;
}

/**
 * Which policies apply to which local endpoint, and what is in the sets they use. A change costs what it touches: an object's policies
 * are found by namespace, a set's members by label.
 */
export class Calculator {
  readonly sets = new MemberSets();
  readonly #policies = new Map<string, Policy>();
  /** By namespace; policies of no namespace under the empty name. */
  readonly #policiesIn = new Map<string, Set<Policy>>();
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #tiers = new Map<string, TierModel>();
  readonly #namespaces = new Map<string, Labels>();
  readonly #serviceAccounts = new Map<string, Labels>();
  readonly #sources = new Map<string, CalculatorSource>();
  readonly #sourcesIn = new Map<string, Set<string>>();
  readonly #pools = new Map<string, NatPool>();
  readonly #nodes = new Map<string, readonly string[]>();
  readonly #hosts = new Map<string, HostInterface>();
  #poolsChanged = false;
  #hostsChanged = false;
  #dirtyEndpoints = new Set<string>();
  #dirtyPolicies = new Set<string>();

  readonly #parents: LabelParents = {
    namespace: (name) => this.#namespaces.get(name),
    serviceAccount: (namespace, name) => this.#serviceAccounts.get(`${namespace}/${name}`),
  };

  get policyCount(): number {
    return this.#policies.size;
  }

  hasPolicy(key: string): boolean {
    return this.#policies.has(key);
  }

  upsertPolicy(model: PolicyModel): void {
    const previous = this.#policies.get(model.key);
    const policy: Policy = {
      model,
      matches: compileSelector(model.subject),
      namespace: namespaceOf(model),
      endpoints: new Set(),
    };
    this.#policies.set(model.key, policy);
    put(this.#policiesIn, policy.namespace ?? "", policy);
    for (const entry of this.#endpoints.values()) {
      if (policy.matches(this.#labelsOf(entry.subject))) this.#join(policy, entry);
    }
    // Only now, so that sets which both versions use are not made anew.
    if (previous !== undefined) this.#drop(previous);
    this.#dirtyPolicies.add(model.key);
  }

  removePolicy(key: string): void {
    const policy = this.#policies.get(key);
    if (policy === undefined) return;
    this.#policies.delete(key);
    this.#drop(policy);
    this.#dirtyPolicies.add(key);
  }

  #drop(policy: Policy): void {
    for (const id of [...policy.endpoints]) this.#part(policy, this.#endpoints.get(id) as Endpoint);
    this.#policiesIn.get(policy.namespace ?? "")?.delete(policy);
  }

  upsertTier(tier: TierModel): void {
    this.#tiers.set(tier.name, tier);
    this.#touchTier(tier.name);
  }

  removeTier(name: string): void {
    this.#tiers.delete(name);
    this.#touchTier(name);
  }

  setNamespace(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#namespaces.delete(name);
    else this.#namespaces.set(name, labels);
    this.#refresh(name, () => true);
  }

  setServiceAccount(namespace: string, name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#serviceAccounts.delete(`${namespace}/${name}`);
    else this.#serviceAccounts.set(`${namespace}/${name}`, labels);
    this.#refresh(namespace, (account) => account === name);
  }

  upsertSource(source: CalculatorSource): void {
    this.#leaveNamespace(source.id);
    this.#sources.set(source.id, source);
    if (source.namespace !== undefined) put(this.#sourcesIn, source.namespace, source.id);
    this.sets.upsert({ ...source, labels: effectiveLabels(source.labels, source, this.#parents) });
  }

  removeSource(id: string): void {
    this.#leaveNamespace(id);
    this.#sources.delete(id);
    this.sets.remove(id);
  }

  setPool(name: string, pool: NatPool | undefined): void {
    if (pool === undefined) this.#pools.delete(name);
    else this.#pools.set(name, pool);
    this.#poolsChanged = true;
  }

  setNode(name: string, addresses: readonly string[] | undefined): void {
    if (addresses === undefined) this.#nodes.delete(name);
    else this.#nodes.set(name, addresses);
    this.#poolsChanged = true;
  }

  /** Whether pools or nodes changed since the last call. */
  takePoolsChanged(): boolean {
    const changed = this.#poolsChanged;
    this.#poolsChanged = false;
    return changed;
  }

  get pools(): Iterable<NatPool> {
    return this.#pools.values();
  }

  get nodeAddresses(): string[] {
    return [...this.#nodes.values()].flat();
  }

  #place(entry: Endpoint): void {
    const { subject } = entry;
    const previous = this.#endpoints.get(subject.id);
    const labels = this.#labelsOf(subject);
    const wanted = [...this.#candidates(subject)].filter((policy) => policy.matches(labels));
    this.#endpoints.set(subject.id, entry);
    for (const policy of wanted) this.#join(policy, entry);
    for (const policy of previous?.policies ?? []) {
      if (!entry.policies.has(policy)) this.#part(policy, entry);
      else this.#release(policy);
    }
    this.#dirtyEndpoints.add(subject.id);
  }

  #displace(id: string): void {
    const entry = this.#endpoints.get(id);
    if (entry === undefined) return;
    for (const policy of [...entry.policies]) this.#part(policy, entry);
    this.#endpoints.delete(id);
    this.#dirtyEndpoints.add(id);
  }

  upsertHost(host: HostInterface): void {
    this.#hosts.set(host.id, host);
    this.#hostsChanged = true;
    this.#place({ subject: { id: host.id, labels: host.labels, isPod: false }, host, policies: new Set() });
  }

  removeHost(id: string): void {
    if (!this.#hosts.delete(id)) return;
    this.#hostsChanged = true;
    this.#displace(id);
  }

  /** This node's host endpoints. */
  get hosts(): ReadonlyMap<string, HostInterface> {
    return this.#hosts;
  }

  /** The profiles of a host endpoint that exist, in the order in which it names them. */
  profilesOf({ profiles }: HostInterface): PolicyModel[] {
    return profiles
      .map((name) => this.#policies.get(profileKey(name))?.model)
      .filter((model) => model !== undefined);
  }

  upsertEndpoint(endpoint: LocalEndpoint): void {
    const { id, labels, pod, serviceAccount } = endpoint;
    const subject = { id, labels, namespace: pod.namespace, serviceAccount, isPod: true };
    this.#place({ subject, endpoint, policies: new Set() });
    this.upsertSource({
      id: `endpoint/${endpoint.id}`,
      labels: endpoint.labels,
      addresses: endpoint.state === "down" ? [] : endpoint.addresses,
      ports: endpoint.ports ?? [],
      namespace: endpoint.pod.namespace,
      serviceAccount: endpoint.serviceAccount,
      isPod: true,
    });
  }

  removeEndpoint(id: string): void {
    if (!this.#endpoints.has(id)) return;
    this.#displace(id);
    this.removeSource(`endpoint/${id}`);
  }

  endpoint(id: string): LocalEndpoint | undefined {
    return this.#endpoints.get(id)?.endpoint;
  }

  /** Policies of an endpoint in the order in which they are asked. */
  tiersOf(id: string, direction: "ingress" | "egress", layer: Layer = "normal"): AppliedTier[] {
    const policies = [...(this.#endpoints.get(id)?.policies ?? [])]
      .map(({ model }) => model)
      .filter(
        (model) => model.tier !== profileTier && model.directions.has(direction) && layers[layer](model),
      );
    return applyOrder(policies, (name) => this.#tiers.get(name) ?? tierWithoutObject(name));
  }

  /** The policy if a local endpoint needs it. */
  activePolicy(key: string): PolicyModel | undefined {
    const policy = this.#policies.get(key);
    return policy !== undefined && policy.endpoints.size > 0 ? policy.model : undefined;
  }

  settle(): Calculated {
    const hosts = this.#hostsChanged || [...this.#hosts.keys()].some((id) => this.#dirtyEndpoints.has(id));
    const calculated = { endpoints: this.#dirtyEndpoints, policies: this.#dirtyPolicies, hosts };
    this.#hostsChanged = false;
    this.#dirtyEndpoints = new Set();
    this.#dirtyPolicies = new Set();
    return calculated;
  }

  #candidates({ namespace }: Subject): Iterable<Policy> {
    return [
      ...(namespace === undefined ? [] : (this.#policiesIn.get(namespace) ?? [])),
      ...(this.#policiesIn.get("") ?? []),
    ];
  }

  #join(policy: Policy, entry: Endpoint): void {
    entry.policies.add(policy);
    if (policy.endpoints.size === 0) this.#dirtyPolicies.add(policy.model.key);
    policy.endpoints.add(entry.subject.id);
    this.#acquire(policy);
    this.#dirtyEndpoints.add(entry.subject.id);
  }

  #part(policy: Policy, entry: Endpoint): void {
    entry.policies.delete(policy);
    policy.endpoints.delete(entry.subject.id);
    if (policy.endpoints.size === 0) this.#dirtyPolicies.add(policy.model.key);
    this.#release(policy);
    this.#dirtyEndpoints.add(entry.subject.id);
  }

  /** Each endpoint holds the sets of its policies. */
  #acquire({ model }: Policy): void {
    for (const set of setsOf(model)) this.sets.acquire(set);
  }

  #release({ model }: Policy): void {
    for (const set of setsOf(model)) this.sets.release(set);
  }

  #touchTier(name: string): void {
    for (const policy of this.#policies.values()) {
      if (policy.model.tier === name) for (const id of policy.endpoints) this.#dirtyEndpoints.add(id);
    }
  }

  /** Inherited labels of a namespace's endpoints changed. */
  #refresh(namespace: string, concerns: (serviceAccount: string | undefined) => boolean): void {
    for (const id of [...(this.#sourcesIn.get(namespace) ?? [])]) {
      const source = this.#sources.get(id);
      if (source !== undefined && concerns(source.serviceAccount)) this.upsertSource(source);
    }
    for (const { endpoint } of [...this.#endpoints.values()]) {
      if (endpoint?.pod.namespace === namespace && concerns(endpoint.serviceAccount))
        this.upsertEndpoint(endpoint);
    }
  }

  #leaveNamespace(id: string): void {
    const { namespace } = this.#sources.get(id) ?? {};
    if (namespace !== undefined) this.#sourcesIn.get(namespace)?.delete(id);
  }

  #labelsOf(subject: Subject): Labels {
    return effectiveLabels(subject.labels, subject, this.#parents);
  }
}

const setsByModel = new WeakMap<PolicyModel, readonly MemberSet[]>();

/** The sets a policy's rules look into, each once. */
export function setsOf(model: PolicyModel): readonly MemberSet[] {
  const known = setsByModel.get(model);
  if (known !== undefined) return known;
  const found = new Map<string, MemberSet>();
  for (const rule of [...model.ingress, ...model.egress]) {
    for (const side of [rule.source, rule.destination]) {
      for (const set of [...(side.sets ?? []), ...(side.notSets ?? [])]) found.set(set.key, set);
      for (const port of [...(side.ports ?? []), ...(side.notPorts ?? [])]) {
        if ("named" in port) found.set(port.named.key, port.named);
      }
    }
  }
  const sets = [...found.values()];
  setsByModel.set(model, sets);
  return sets;
}

/** The only namespace in which the policy can apply, if there is one. */
function namespaceOf({ subject }: PolicyModel): string | undefined {
  for (const part of subject.type === "and" ? subject.operands : [subject]) {
    if (part.type === "equals" && part.key === labelKeys.namespace) return part.value;
  }
  return undefined;
}

function put<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, new Set([value]));
  else values.add(value);
}
