import { type BoundObject, defaultAudience, type Tokens } from "../auth/tokens.ts";
import { type JsonObject, listAt, numberAt, objectAt, stringAt } from "../json.ts";
import { conflict, fieldError, invalid, notFound } from "../status.ts";
import { type Api, type Call, keyOf } from "./api.ts";
import { requireStored } from "./stored.ts";

const storages = { Pod: "/pods", Secret: "/secrets", Node: "/nodes" } as const;

/** TokenRequest: a token for a service account, optionally bound to a pod, secret or node. */
export function issueToken(api: Api, tokens: Tokens, call: Call, request: JsonObject): JsonObject {
  const account = requireStored(api, call).object;
  const audiences = listAt(request, "spec", "audiences").map(String);
  const seconds = numberAt(request, "spec", "expirationSeconds") ?? 3600;
  if (seconds < 600)
    throw invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, call.name, [
      fieldError.invalid(
        "spec.expirationSeconds",
        seconds,
        "may not specify a duration less than 10 minutes",
      ),
    ]);
  const bound = boundObject(api, call, objectAt(request, "spec", "boundObjectRef"));
  const { token, expires } = tokens.forServiceAccount(
    { namespace: call.namespace, name: call.name, uid: account.metadata.uid! },
    { audiences: audiences.length > 0 ? audiences : [defaultAudience], seconds, ...(bound ? { bound } : {}) },
  );
  return {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name: call.name, namespace: call.namespace, creationTimestamp: api.timestamp() },
    spec: {
      audiences: audiences.length > 0 ? audiences : [defaultAudience],
      expirationSeconds: seconds,
      boundObjectRef: objectAt(request, "spec", "boundObjectRef") ?? null,
    },
    status: { token, expirationTimestamp: `${new Date(expires * 1000).toISOString().slice(0, 19)}Z` },
  };
}

function boundObject(api: Api, call: Call, reference: JsonObject | undefined): BoundObject | undefined {
  const kind = stringAt(reference, "kind");
  if (kind !== "Pod" && kind !== "Secret" && kind !== "Node") return undefined;
  const name = stringAt(reference, "name") ?? "";
  const storage = storages[kind];
  const namespace = kind === "Node" ? "" : call.namespace;
  const uid = api.objects({ ...call.resource, storage }).get(keyOf(namespace, name))?.object.metadata.uid;
  if (!uid) throw notFound({ group: "", plural: storage.slice(1) }, name);
  const wanted = stringAt(reference, "uid");
  if (wanted && wanted !== uid)
    throw conflict(
      { group: "", plural: storage.slice(1) },
      name,
      `the UID in the bound object reference (${wanted}) does not match the UID in record (${uid})`,
    );
  return { kind, name, uid };
}
