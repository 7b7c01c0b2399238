import type { LocalEndpoint } from "./endpoint.ts";
import type { Explanation, Packet } from "./packet.ts";

/** The kinds whose objects change policy. */
export type PolicyKind =
  | "Namespace"
  | "Node"
  | "Pod"
  | "ServiceAccount"
  | "Service"
  | "EndpointSlice"
  | "KubernetesNetworkPolicy"
  | "ClusterNetworkPolicy"
  | "NetworkPolicy"
  | "GlobalNetworkPolicy"
  | "StagedNetworkPolicy"
  | "StagedGlobalNetworkPolicy"
  | "StagedKubernetesNetworkPolicy"
  | "Tier"
  | "Profile"
  | "NetworkSet"
  | "GlobalNetworkSet"
  | "HostEndpoint"
  | "IPPool"
  | "FelixConfiguration";

/** A Kubernetes object as it comes from the API server; the engine validates before it believes. */
export interface PolicyObject {
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** Name of an object; cluster-wide kinds have no namespace. */
export interface ObjectRef {
  readonly namespace?: string;
  readonly name: string;
}

/** Something the engine could not use. The endpoints it concerns are denied what it might have denied. */
export interface Problem {
  readonly kind: PolicyKind | "Endpoint" | "Dataplane";
  readonly ref: string;
  readonly message: string;
}

/** How an engine is, for readiness and for people. */
export interface EngineHealth {
  /** The base rules are in the kernel and the last transaction succeeded. */
  readonly ready: boolean;
  readonly endpoints: number;
  readonly policies: number;
  readonly sets: number;
  /** Transactions the kernel acknowledged since the start. */
  readonly transactions: number;
  /** Foreign changes to our tables that were repaired. */
  readonly repairs: number;
  readonly problems: readonly Problem[];
}

/**
 * Turns policy objects and local endpoints into firewall rules.
 *
 * Changes of one turn of the event loop become one transaction. Nothing an endpoint is not explicitly granted passes;
 * an interface that is not an endpoint passes nothing.
 */
export interface PolicyEngine {
  readonly objects: {
    /** Adds or replaces an object. An invalid one is reported in `health().problems` and treated as denying. */
    upsert(kind: PolicyKind, object: PolicyObject): void;
    remove(kind: PolicyKind, ref: ObjectRef): void;
  };
  readonly endpoints: {
    /** @throws PolicyError `InvalidEndpoint` */
    upsert(endpoint: LocalEndpoint): void;
    remove(id: string): void;
  };
  /**
   * Puts the fail-closed base rules into the kernel, taking over what an earlier run left there. Existing endpoints keep
   * their rules until `synced` is called, so that nothing established breaks while objects are still coming in.
   */
  start(options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Interfaces of which nobody knows whose they are: what an earlier run programmed for them stays in force as it is, instead of being
   * removed with `synced`. Replaces the last list; an interface that becomes an endpoint leaves it.
   */
  keep(interfaceNames: readonly string[]): void;
  /** Says that the initial objects and endpoints are complete: from now on what is not known is removed. */
  synced(): void;
  /**
   * Resolves when the kernel has acknowledged the transaction that contains this endpoint as it was last upserted.
   * @throws PolicyError `UnknownEndpoint`, `Aborted`, `Closed`
   */
  ready(id: string, options?: { signal?: AbortSignal }): Promise<void>;
  /** Resolves when everything said so far is in force. @throws PolicyError `Aborted`, `Closed` */
  settled(options?: { signal?: AbortSignal }): Promise<void>;
  /** The verdict for a packet and the way to it, by the same model the rules are made from. */
  explain(packet: Packet, endpointId: string): Explanation;
  health(): EngineHealth;
  /** Stops working on the kernel. The rules stay in force. */
  close(): Promise<void>;
}
