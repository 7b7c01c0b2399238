import { isObject, type Json, type JsonObject, listAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { Api, User } from "../rest/api.ts";
import { matchLabelSelector } from "../selectors/labels.ts";
import type { Attributes } from "./attributes.ts";

const group = "rbac.authorization.k8s.io";

/** Role-based access control over the Role and Binding objects in the store; nothing is allowed that no rule allows. */
export class Authorizer {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  allows(attributes: Attributes): boolean {
    if (attributes.user.groups.includes("system:masters")) return true;
    const namespace = attributes.resource?.namespace ?? "";
    for (const rule of this.rulesFor(attributes.user, namespace))
      if (ruleAllows(rule, attributes)) return true;
    return false;
  }

  /** Every rule that applies to the user: cluster-wide ones, and those of the namespace if one is given. */
  *rulesFor(user: User, namespace: string): Iterable<JsonObject> {
    for (const binding of this.#api.list(`${group}/clusterrolebindings`))
      if (bindsUser(binding, user)) yield* this.#rules(binding, "");
    if (namespace === "") return;
    for (const binding of this.#api.list(`${group}/rolebindings`, namespace))
      if (bindsUser(binding, user)) yield* this.#rules(binding, namespace);
  }

  *#rules(binding: KubeObject, namespace: string): Iterable<JsonObject> {
    const name = stringAt(binding, "roleRef", "name") ?? "";
    const role =
      stringAt(binding, "roleRef", "kind") === "Role"
        ? this.#api.get(`${group}/roles`, namespace, name)
        : this.#api.get(`${group}/clusterroles`, "", name);
    if (role) yield* this.#rulesOf(role, new Set());
  }

  /** A role's own rules, and those of the roles its aggregation rule selects. */
  *#rulesOf(role: KubeObject, seen: Set<string>): Iterable<JsonObject> {
    for (const rule of listAt(role, "rules")) if (isObject(rule)) yield rule;
    seen.add(role.metadata.name);
    for (const selector of listAt(role, "aggregationRule", "clusterRoleSelectors")) {
      const selects = matchLabelSelector(selector);
      for (const other of this.#api.list(`${group}/clusterroles`))
        if (!seen.has(other.metadata.name) && selects(other.metadata.labels ?? {}))
          yield* this.#rulesOf(other, seen);
    }
  }
}

function bindsUser(binding: KubeObject, user: User): boolean {
  return listAt(binding, "subjects").some((subject) => {
    const name = stringAt(subject, "name") ?? "";
    switch (stringAt(subject, "kind")) {
      case "User":
        return name === user.name;
      case "Group":
        return user.groups.includes(name);
      case "ServiceAccount": {
        const namespace = stringAt(subject, "namespace") ?? binding.metadata.namespace ?? "";
        return user.name === `system:serviceaccount:${namespace}:${name}`;
      }
      default:
        return false;
    }
  });
}

const includes = (list: readonly Json[], value: string): boolean =>
  list.includes("*") || list.includes(value);

export function ruleAllows(rule: JsonObject, { verb, resource, path }: Attributes): boolean {
  if (!includes(listAt(rule, "verbs"), verb)) return false;
  if (!resource)
    return listAt(rule, "nonResourceURLs").some((pattern) => {
      const text = String(pattern);
      return text === "*" || text === path || (text.endsWith("*") && path!.startsWith(text.slice(0, -1)));
    });
  if (!includes(listAt(rule, "apiGroups"), resource.group)) return false;
  const resources = listAt(rule, "resources");
  const slash = resource.name.indexOf("/");
  const anyParent = slash < 0 ? undefined : `*${resource.name.slice(slash)}`;
  if (!includes(resources, resource.name) && !(anyParent && resources.includes(anyParent))) return false;
  const names = listAt(rule, "resourceNames");
  return names.length === 0 || names.includes(resource.objectName);
}
