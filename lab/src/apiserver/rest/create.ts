import { randomUUID } from "node:crypto";
import { generateName } from "../kinds/names.ts";
import type { KubeObject } from "../objects.ts";
import { alreadyExists, badRequest, forbidden, notFound, StatusError } from "../status.ts";
import { Stored } from "../storage/change.ts";
import { requireValid } from "./admit.ts";
import { type Api, type Call, keyOf } from "./api.ts";
import { trackWrite } from "./managed.ts";

/** Stores a new object. `object` has been decoded and belongs to this call. */
export function create(api: Api, call: Call, object: KubeObject, track = trackWrite): Stored {
  const { resource } = call;
  const metadata = object.metadata;
  if (resource.namespaced) {
    metadata.namespace ??= call.namespace;
    if (metadata.namespace === "") metadata.namespace = call.namespace;
    if (metadata.namespace !== call.namespace)
      throw badRequest(
        "the namespace of the provided object does not match the namespace sent on the request",
      );
    requireOpenNamespace(api, call, metadata.name ?? "");
  } else if (metadata.namespace) {
    throw badRequest("namespace is not allowed on a cluster-scoped object");
  }
  if (!resource.namespaced) delete metadata.namespace;
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== "")
    throw badRequest("resourceVersion should not be set on objects to be created");
  const generated = !metadata.name && metadata.generateName;
  if (generated) metadata.name = generateName(generated);
  metadata.name ??= "";
  if (call.name !== "" && metadata.name !== call.name)
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${call.name})`,
    );
  for (const field of [
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "resourceVersion",
  ] as const)
    delete metadata[field];
  metadata.uid = randomUUID();
  metadata.creationTimestamp = api.timestamp();
  metadata.generation = 1;
  if (!resource.custom && !countsGenerations(resource.kind)) delete metadata.generation;
  // Kubelets bring a status when they register their node; nobody else may.
  if (resource.hasStatus && resource.storage !== "/nodes") delete object.status;
  resource.strategy.prepareCreate?.(object, api);
  requireValid(call, object);
  track(api, call, undefined, object);
  api.admission?.({ call, operation: "CREATE", object });
  const key = keyOf(metadata.namespace ?? "", metadata.name);
  const collection = api.objects(resource);
  if (collection.get(key)) {
    if (generated)
      throw new StatusError("AlreadyExists", "The generated name is taken; try again", {
        name: metadata.name,
        retryAfterSeconds: 1,
      });
    throw alreadyExists(resource, metadata.name);
  }
  if (call.dryRun) return new Stored(key, api.store.version, object);
  const stored = api.store.put(collection, key, object);
  resource.strategy.afterWrite?.(stored.object);
  return stored;
}

/** Built-in kinds whose registry keeps a generation. */
const generations = new Set([
  "Deployment",
  "ReplicaSet",
  "DaemonSet",
  "NetworkPolicy",
  "PodDisruptionBudget",
  "EndpointSlice",
  "CustomResourceDefinition",
  "Pod",
  "PriorityClass",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
  "ValidatingWebhookConfiguration",
  "MutatingWebhookConfiguration",
]);
export const countsGenerations = (kind: string): boolean => generations.has(kind);

function requireOpenNamespace(api: Api, call: Call, name: string): void {
  const namespace = api.get("/namespaces", "", call.namespace);
  if (namespace === undefined) throw notFound({ group: "", plural: "namespaces" }, call.namespace);
  if (namespace.metadata.deletionTimestamp && call.resource.storage !== "/events") {
    const error = forbidden(
      call.resource,
      name,
      `unable to create new content in namespace ${call.namespace} because it is being terminated`,
    );
    error.details!.causes = [
      {
        reason: "NamespaceTerminating",
        message: `namespace ${call.namespace} is being terminated`,
        field: "metadata.namespace",
      },
    ];
    throw error;
  }
}
