import type { JsonObject } from "../json.ts";
import type { Registry } from "../kinds/registry.ts";
import { apiVersionOf, type Resource } from "../kinds/resource.ts";

/** Documents under /api and /apis. Undefined: no such group or version. */
export class Discovery {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  legacyVersions(address: string): JsonObject {
    return {
      kind: "APIVersions",
      versions: ["v1"],
      serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
    };
  }

  groups(): JsonObject {
    const groups = [...this.#versions().keys()].filter((group) => group !== "");
    return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map((group) => this.#describe(group)) };
  }

  group(group: string): JsonObject | undefined {
    if (group === "" || !this.#versions().has(group)) return undefined;
    return { kind: "APIGroup", apiVersion: "v1", ...this.#describe(group) };
  }

  resources(group: string, version: string): JsonObject | undefined {
    const served = this.#registry.all().filter((r) => r.group === group && r.version === version);
    if (served.length === 0) return undefined;
    return {
      kind: "APIResourceList",
      ...(group === "" ? {} : { apiVersion: "v1" }),
      groupVersion: apiVersionOf({ group, version }),
      resources: served.flatMap(resourceEntries),
    };
  }

  /** Group → versions, the best first, groups in the order of registration. */
  #versions(): Map<string, string[]> {
    const result = new Map<string, string[]>();
    for (const { group, version } of this.#registry.all()) {
      const versions = result.get(group) ?? [];
      if (!versions.includes(version)) versions.push(version);
      result.set(group, versions);
    }
    for (const versions of result.values()) versions.sort(byPriority);
    return result;
  }

  #describe(group: string): JsonObject {
    const versions = this.#versions()
      .get(group)!
      .map((version) => ({ groupVersion: `${group}/${version}`, version }));
    return { name: group, versions, preferredVersion: versions[0]! };
  }
}

function resourceEntries(resource: Resource): JsonObject[] {
  const { plural, namespaced, kind } = resource;
  const entry = {
    name: plural,
    singularName: resource.singular,
    namespaced,
    kind,
    verbs: [...resource.verbs],
    ...(resource.shortNames.length > 0 ? { shortNames: [...resource.shortNames] } : {}),
    ...(resource.categories.length > 0 ? { categories: [...resource.categories] } : {}),
  };
  return [
    entry,
    ...subresourcesOf(resource).map((sub) => ({
      name: `${plural}/${sub.name}`,
      singularName: "",
      namespaced,
      ...(sub.group === undefined ? {} : { group: sub.group, version: sub.version ?? "v1" }),
      kind: sub.kind,
      verbs: [...sub.verbs],
    })),
  ];
}

export function subresourcesOf(resource: Resource) {
  const verbs = ["get", "patch", "update"];
  return [
    ...(resource.hasStatus ? [{ name: "status", kind: resource.kind, verbs }] : []),
    ...(resource.scale ? [{ name: "scale", kind: "Scale", group: "autoscaling", version: "v1", verbs }] : []),
    ...resource.subresources,
  ].map(
    (sub): { name: string; kind: string; group?: string; version?: string; verbs: readonly string[] } => sub,
  );
}

/** Version priority: stable before beta before alpha, higher numbers first, anything else last. */
export function byPriority(a: string, b: string): number {
  const rank = (version: string): number[] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (!match) return [0, 0, 0];
    const stage = match[2] === undefined ? 3 : match[2] === "beta" ? 2 : 1;
    return [stage, Number(match[1]), Number(match[3] ?? 0)];
  };
  const [left, right] = [rank(a), rank(b)];
  for (let i = 0; i < 3; i++) if (left[i] !== right[i]) return right[i]! - left[i]!;
  return a < b ? -1 : 1;
}
