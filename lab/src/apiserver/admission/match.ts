import { type Json, type JsonObject, listAt, stringAt } from "../json.ts";
import type { Api, Attempt } from "../rest/api.ts";
import { type Labels, matchLabelSelector } from "../selectors/labels.ts";
import { namespaceOf, versionsOf } from "./attempt.ts";

/** Whether a MatchResources (of a policy or a binding) means this attempt. Absent means every one. */
export function matches(api: Api, constraints: JsonObject | undefined, attempt: Attempt): boolean {
  if (constraints === undefined) return true;
  const exact = stringAt(constraints, "matchPolicy") === "Exact";
  const versions = exact ? [attempt.call.resource.version] : versionsOf(api, attempt);
  const means = (rule: Json): boolean => ruleMatches(rule, attempt, versions);
  const rules = listAt(constraints, "resourceRules");
  if (rules.length > 0 && !rules.some(means)) return false;
  if (listAt(constraints, "excludeResourceRules").some(means)) return false;
  return namespaceMatches(api, constraints, attempt) && objectMatches(constraints, attempt);
}

function ruleMatches(
  rule: Json,
  { call, operation, object, oldObject }: Attempt,
  versions: readonly string[],
): boolean {
  const { resource, subresource } = call;
  const has = (field: string, values: readonly string[]): boolean => {
    const wanted = listAt(rule, field).map(String);
    return wanted.includes("*") || values.some((value) => wanted.includes(value));
  };
  const scope = stringAt(rule, "scope") ?? "*";
  const names = listAt(rule, "resourceNames");
  return (
    has("operations", [operation]) &&
    has("apiGroups", [resource.group]) &&
    has("apiVersions", versions) &&
    listAt(rule, "resources").some((wanted) =>
      resourceMatches(String(wanted), resource.plural, subresource),
    ) &&
    (scope === "*" || (scope === "Namespaced") === resource.namespaced) &&
    (names.length === 0 || names.includes(call.name || ((object ?? oldObject)?.metadata.name ?? "")))
  );
}

/** `pods`, `pods/status`, `pods/*`, `*`, every resource's `scale`, or all. Without a slash, no subresource is meant. */
function resourceMatches(wanted: string, plural: string, subresource: string): boolean {
  const [resource, sub = ""] = wanted.split("/", 2);
  return (resource === "*" || resource === plural) && (sub === subresource || sub === "*");
}

function namespaceMatches(api: Api, constraints: JsonObject, attempt: Attempt): boolean {
  const { call, object, oldObject } = attempt;
  const namespace =
    call.resource.storage === "/namespaces" ? (object ?? oldObject) : namespaceOf(api, attempt);
  // Objects outside of namespaces are not selected by them.
  if (namespace === undefined) return true;
  return matchLabelSelector(constraints.namespaceSelector ?? {})(namespace.metadata.labels ?? {});
}

function objectMatches(constraints: JsonObject, { object, oldObject }: Attempt): boolean {
  const selected = matchLabelSelector(constraints.objectSelector ?? {});
  const labels: readonly Labels[] = [object, oldObject].flatMap((o) => (o ? [o.metadata.labels ?? {}] : []));
  return labels.some(selected);
}
