import { builtinResources } from "./builtin.ts";
import type { Resource } from "./resource.ts";

/** All resources being served, built-in and custom. */
export class Registry {
  readonly #byPath = new Map<string, Resource>();
  /** Changes whenever the set of resources does; discovery and OpenAPI documents are cached by it. */
  #generation = 0;

  constructor(resources: readonly Resource[] = builtinResources) {
    for (const resource of resources) this.#byPath.set(path(resource), resource);
  }

  get generation(): number {
    return this.#generation;
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  findKind(group: string, kind: string): Resource | undefined {
    for (const resource of this.#byPath.values())
      if (resource.group === group && resource.kind === kind) return resource;
    return undefined;
  }

  /** The served resource of this kind in this API version. */
  findGvk(apiVersion: string, kind: string): Resource | undefined {
    const [group, version] = splitApiVersion(apiVersion);
    for (const resource of this.#byPath.values())
      if (resource.group === group && resource.version === version && resource.kind === kind) return resource;
    return undefined;
  }

  all(): readonly Resource[] {
    return [...this.#byPath.values()];
  }

  /** Serves exactly these versions for one custom resource. */
  replace(storage: string, resources: readonly Resource[]): void {
    for (const [key, resource] of this.#byPath) if (resource.storage === storage) this.#byPath.delete(key);
    for (const resource of resources) this.#byPath.set(path(resource), resource);
    this.#generation++;
  }
}

const path = (resource: Resource): string => `${resource.group}/${resource.version}/${resource.plural}`;

/** `apps/v1` → `["apps", "v1"]`, `v1` → `["", "v1"]`. */
export function splitApiVersion(apiVersion: string): [group: string, version: string] {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? ["", apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}
