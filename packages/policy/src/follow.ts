import { type ClusterView, kinds } from "@fairlead/api";
import type { PolicyEngine, PolicyKind } from "./engine.ts";

/** The kinds an engine wants to know; make the cluster view with these. */
export const policyKinds = [
  "Namespace",
  "Node",
  "Pod",
  "ServiceAccount",
  "EndpointSlice",
  "KubernetesNetworkPolicy",
  "ClusterNetworkPolicy",
  "NetworkPolicy",
  "GlobalNetworkPolicy",
  "StagedNetworkPolicy",
  "StagedGlobalNetworkPolicy",
  "StagedKubernetesNetworkPolicy",
  "Tier",
  "NetworkSet",
  "GlobalNetworkSet",
  "IPPool",
  "HostEndpoint",
  "Profile",
  "FelixConfiguration",
] as const satisfies readonly PolicyKind[];

/**
 * Feeds an engine from a cluster view, which must have been made with `policyKinds`. Call `engine.synced()` when the view is synced
 * and the local endpoints are complete.
 */
export function followCluster(
  engine: Pick<PolicyEngine, "objects">,
  view: Pick<ClusterView, "subscribe">,
): Disposable {
  const subscriptions = policyKinds.map((kind) =>
    view.subscribe(kinds[kind] as Parameters<ClusterView["subscribe"]>[0], (change) => {
      const object = change.object as { metadata: { name: string; namespace?: string } };
      if (change.type === "deleted") engine.objects.remove(kind, object.metadata);
      else engine.objects.upsert(kind, object);
    }),
  );
  return {
    [Symbol.dispose]: () => {
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
    },
  };
}
