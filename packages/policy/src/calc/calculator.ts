import type { LocalEndpoint } from "../endpoint.ts";
import type { HostInterface, Layer } from "../host/host-endpoint.ts";
import { profileKey, profileTier } from "../host/profile.ts";
import type { PolicyModel, TierModel } from "../model/policy.ts";
import { address } from "../ruleset/value.ts";
import type { AppliedTier } from "./evaluate.ts";
import { type Belonging, inheritedLabels, type Labelled, type Labels } from "./labels.ts";
import { MemberSets } from "./member-sets.ts";
import { applyOrder, tierWithoutObject } from "./ordering.ts";
import { Parents } from "./parents.ts";
import { Policies, type Policy, policyOf, setsOf } from "./policies.ts";
import { Pools } from "./pools.ts";
import type { MemberSource } from "./source.ts";

/** What policies select on this node. */
interface Endpoint extends Labelled {
  readonly id: string;
  readonly namespace: string | undefined;
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
  readonly pools = new Pools();
  readonly #parents = new Parents();
  readonly sets = new MemberSets(this.#parents);
  readonly #policies = new Policies();
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #tiers = new Map<string, TierModel>();
  readonly #hosts = new Map<string, HostInterface>();
  #hostsChanged = false;
  #dirtyEndpoints = new Set<string>();
  #dirtyPolicies = new Set<string>();

  get policyCount(): number {
    return this.#policies.size;
  }

  hasPolicy(key: string): boolean {
    return this.#policies.get(key) !== undefined;
  }

  upsertPolicy(model: PolicyModel): void {
    const previous = this.#policies.get(model.key);
    const policy = policyOf(model);
    this.#policies.put(policy);
    for (const entry of this.#endpoints.values()) {
      if (policy.namespace !== undefined && policy.namespace !== entry.namespace) continue;
      if (policy.selects(entry)) this.#join(policy, entry);
    }
    // Only now, so that sets which both versions use are not made anew.
    if (previous !== undefined) this.#drop(previous);
    if (previous !== undefined || policy.endpoints.size > 0) this.#dirtyPolicies.add(model.key);
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
    this.#parents.setNamespace(name, labels);
    this.#inheritAnew(name);
  }

  setServiceAccount(namespace: string, name: string, labels: Labels | undefined): void {
    this.#parents.setServiceAccount(namespace, name, labels);
    this.#inheritAnew(namespace, name);
  }

  upsertSource(source: MemberSource): void {
    this.sets.upsert(source);
  }

  removeSource(id: string): void {
    this.sets.remove(id);
  }

  #place(given: Pick<Endpoint, "id" | "labels" | "endpoint" | "host">, belonging: Belonging): void {
    const entry: Endpoint = {
      ...given,
      namespace: belonging.namespace,
      inherited: inheritedLabels(belonging, this.#parents),
      policies: new Set(),
    };
    const previous = this.#endpoints.get(entry.id);
    this.#endpoints.set(entry.id, entry);
    for (const policy of this.#policies.candidates(entry.namespace))
      if (policy.selects(entry)) this.#join(policy, entry);
    for (const policy of previous?.policies ?? []) {
      if (!entry.policies.has(policy)) this.#part(policy, entry);
      else this.#release(policy);
    }
    this.#dirtyEndpoints.add(entry.id);
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
    this.#place({ id: host.id, labels: host.labels, host }, { isPod: false });
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
    const belonging = { namespace: pod.namespace, serviceAccount, isPod: true };
    this.#place({ id, labels, endpoint }, belonging);
    this.upsertSource({
      id: `endpoint/${id}`,
      labels,
      addresses: endpoint.state === "down" ? [] : endpoint.addresses.map(address),
      ports: endpoint.ports ?? [],
      ...belonging,
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

  #join(policy: Policy, entry: Endpoint): void {
    entry.policies.add(policy);
    if (policy.endpoints.size === 0) this.#dirtyPolicies.add(policy.model.key);
    policy.endpoints.add(entry.id);
    this.#acquire(policy);
    this.#dirtyEndpoints.add(entry.id);
  }

  #part(policy: Policy, entry: Endpoint): void {
    entry.policies.delete(policy);
    policy.endpoints.delete(entry.id);
    if (policy.endpoints.size === 0) this.#dirtyPolicies.add(policy.model.key);
    this.#release(policy);
    this.#dirtyEndpoints.add(entry.id);
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

  /** Labels of a namespace, or of an account in it, changed. */
  #inheritAnew(namespace: string, serviceAccount?: string): void {
    this.sets.inheritAnew(namespace, serviceAccount);
    for (const { endpoint } of [...this.#endpoints.values()]) {
      if (endpoint?.pod.namespace !== namespace) continue;
      if (serviceAccount === undefined || endpoint.serviceAccount === serviceAccount)
        this.upsertEndpoint(endpoint);
    }
  }
}
