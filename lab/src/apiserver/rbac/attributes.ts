import type { User } from "../rest/api.ts";

/** What is being attempted, as RBAC rules see it. */
export interface Attributes {
  readonly user: User;
  readonly verb: string;
  readonly resource?: {
    readonly group: string;
    /** `pods` or `pods/status`. */
    readonly name: string;
    readonly namespace: string;
    /** Empty for lists and creations. */
    readonly objectName: string;
  };
  /** For requests that are not about resources. */
  readonly path?: string;
}

/** The sentence a real API server refuses with. */
export function denial({ user, verb, resource, path }: Attributes): string {
  if (!resource)
    return `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}`;
  const scope =
    resource.namespace === ""
      ? "at the cluster scope"
      : `in the namespace ${JSON.stringify(resource.namespace)}`;
  return `User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(resource.name)} in API group ${JSON.stringify(resource.group)} ${scope}`;
}
