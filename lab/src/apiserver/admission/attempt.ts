import { randomUUID } from "node:crypto";
import { toCel } from "../cel/values.ts";
import type { JsonObject } from "../json.ts";
import { apiVersionOf } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import type { Api, Attempt } from "../rest/api.ts";

/** The variables of policy expressions, in CEL values, each made when it is first asked for. */
export function attemptVariables(api: Api, attempt: Attempt): { readonly [name: string]: unknown } {
  return lazily({
    object: () => toCel(attempt.object),
    oldObject: () => toCel(attempt.oldObject),
    request: () => toCel(admissionRequest(attempt)),
    namespaceObject: () => toCel(namespaceOf(api, attempt)),
  });
}

/** An object whose members are computed when first read. */
export function lazily(members: { readonly [name: string]: () => unknown }): {
  readonly [name: string]: unknown;
} {
  const object: { [name: string]: unknown } = {};
  for (const [name, compute] of Object.entries(members))
    Object.defineProperty(object, name, {
      configurable: true,
      enumerable: true,
      get() {
        const value = compute();
        Object.defineProperty(object, name, { value, enumerable: true });
        return value;
      },
    });
  return object;
}

export const namespaceOf = (api: Api, { call }: Attempt): KubeObject | undefined =>
  call.namespace === "" ? undefined : api.get("/namespaces", "", call.namespace);

/** admission.k8s.io/v1 AdmissionRequest, without the objects. */
function admissionRequest({ call, operation, object, oldObject }: Attempt): JsonObject {
  const { resource, user } = call;
  const { group, version } = resource;
  const kind = { group, version, kind: resource.kind };
  const named = { group, version, resource: resource.plural };
  return {
    uid: randomUUID(),
    kind,
    resource: named,
    subResource: call.subresource,
    requestKind: kind,
    requestResource: named,
    requestSubResource: call.subresource,
    name: call.name || ((object ?? oldObject)?.metadata.name ?? ""),
    namespace: call.namespace,
    operation,
    userInfo: {
      username: user.name,
      groups: [...user.groups],
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      ...(user.extra === undefined ? {} : { extra: { ...user.extra } }),
    },
    dryRun: call.dryRun,
    options: {
      apiVersion: "meta.k8s.io/v1",
      kind: `${operation[0]}${operation.slice(1).toLowerCase()}Options`,
    },
  };
}

/** The object in the version a rule names: all versions of a resource are equivalent. */
export const versionsOf = (api: Api, { call }: Attempt): readonly string[] =>
  api.registry
    .all()
    .filter((resource) => resource.storage === call.resource.storage)
    .map((resource) => apiVersionOf(resource).split("/").at(-1)!);
