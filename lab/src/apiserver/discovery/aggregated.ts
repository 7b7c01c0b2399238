import type { JsonObject } from "../json.ts";
import type { Registry } from "../kinds/registry.ts";
import type { Resource } from "../kinds/resource.ts";
import { byPriority, subresourcesOf } from "./discovery.ts";

/** Aggregated discovery (apidiscovery.k8s.io): all groups, versions and resources in one answer. `legacy` is /api. */
export function aggregatedDiscovery(registry: Registry, legacy: boolean, version: string): JsonObject {
  const groups = new Map<string, Map<string, Resource[]>>();
  for (const resource of registry.all()) {
    if ((resource.group === "") !== legacy) continue;
    const versions = groups.get(resource.group) ?? new Map<string, Resource[]>();
    versions.set(resource.version, [...(versions.get(resource.version) ?? []), resource]);
    groups.set(resource.group, versions);
  }
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: [...groups].map(([group, versions]) => ({
      metadata: { ...(group === "" ? {} : { name: group }), creationTimestamp: null },
      versions: [...versions]
        .sort(([a], [b]) => byPriority(a, b))
        .map(([name, resources]) => ({
          version: name,
          resources: resources.map(describe),
          freshness: "Current",
        })),
    })),
  };
}

function describe(resource: Resource): JsonObject {
  const { group, version, kind } = resource;
  return {
    resource: resource.plural,
    responseKind: { group, version, kind },
    scope: resource.namespaced ? "Namespaced" : "Cluster",
    singularResource: resource.singular,
    verbs: [...resource.verbs],
    ...(resource.shortNames.length > 0 ? { shortNames: [...resource.shortNames] } : {}),
    ...(resource.categories.length > 0 ? { categories: [...resource.categories] } : {}),
    subresources: subresourcesOf(resource).map((sub) => ({
      subresource: sub.name,
      responseKind: { group: sub.group ?? group, version: sub.version ?? version, kind: sub.kind },
      verbs: [...sub.verbs],
    })),
  };
}
