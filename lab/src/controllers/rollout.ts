import { createHash } from "node:crypto";
import {
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  objectAt,
  sameJson,
  stringAt,
  stringifyJson,
} from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/objects.ts";

export const hashLabel = "pod-template-hash";

export const isReady = (pod: KubeObject): boolean =>
  listAt(pod, "status", "conditions").some(
    (c) => stringAt(c, "type") === "Ready" && stringAt(c, "status") === "True",
  );

/** Pods that count: neither finished nor on their way out. */
export const isActive = (pod: KubeObject): boolean =>
  !pod.metadata.deletionTimestamp &&
  !["Succeeded", "Failed"].includes(stringAt(pod, "status", "phase") ?? "");

/** A short name for a pod template: the same template, the same name. */
export const templateHash = (deployment: KubeObject): string =>
  createHash("sha256")
    .update(stringifyJson(objectAt(deployment, "spec", "template") ?? {}))
    .digest("hex")
    .slice(0, 10);

/** Whether a replica set runs the deployment's present template. */
export function isCurrent(deployment: KubeObject, replicaSet: KubeObject): boolean {
  const template = structuredClone(objectAt(replicaSet, "spec", "template") ?? {});
  const labels = objectAt(template, "metadata", "labels");
  if (labels) delete labels[hashLabel];
  return sameJson(template, objectAt(deployment, "spec", "template"));
}

/** `25%` of the replicas, or a plain number. */
function share(value: Json | undefined, replicas: number, round: (n: number) => number): number {
  if (typeof value === "number") return value;
  return round((Number.parseFloat(String(value ?? "25%")) / 100) * replicas);
}

/** How many replicas each replica set should have next, by uid; the current one by the key `current`. */
export function nextScales(
  deployment: KubeObject,
  current: KubeObject | undefined,
  old: readonly KubeObject[],
): Map<string, number> {
  const wanted = numberAt(deployment, "spec", "replicas") ?? 1;
  const rolling = objectAt(deployment, "spec", "strategy", "rollingUpdate");
  const recreate = stringAt(deployment, "spec", "strategy", "type") === "Recreate";
  const surge = recreate ? 0 : share(rolling?.maxSurge, wanted, Math.ceil);
  const unavailable = recreate ? wanted : share(rolling?.maxUnavailable, wanted, Math.floor);
  const size = (set: KubeObject): number => numberAt(set, "spec", "replicas") ?? 0;
  const available = (set: KubeObject): number => numberAt(set, "status", "availableReplicas") ?? 0;
  const present = (set: KubeObject): number => numberAt(set, "status", "replicas") ?? 0;

  const result = new Map<string, number>();
  const oldTotal = old.reduce((sum, set) => sum + Math.max(size(set), present(set)), 0);
  const room = recreate ? (oldTotal === 0 ? wanted : 0) : Math.max(wanted + surge - oldTotal, 0);
  const next =
    current === undefined ? Math.min(wanted, room) : Math.min(wanted, Math.max(size(current), room));
  result.set("current", next);

  let total = old.reduce((sum, set) => sum + available(set), 0) + (current ? available(current) : 0);
  const floor = Math.max(wanted - Math.max(unavailable, surge === 0 ? 1 : 0), 0);
  for (const set of old) {
    const unready = Math.max(size(set) - available(set), 0);
    const removable = Math.min(available(set), Math.max(total - floor, 0));
    total -= removable;
    result.set(set.metadata.uid!, size(set) - unready - removable);
  }
  return result;
}

export function replicaSetStatus(set: KubeObject, pods: readonly KubeObject[]): JsonObject {
  const ready = pods.filter(isReady).length;
  return {
    replicas: pods.length,
    fullyLabeledReplicas: pods.length,
    ...(ready > 0 ? { readyReplicas: ready, availableReplicas: ready } : {}),
    observedGeneration: set.metadata.generation ?? 1,
  };
}

export function deploymentStatus(
  deployment: KubeObject,
  current: KubeObject | undefined,
  sets: readonly KubeObject[],
  now: string,
): JsonObject {
  const wanted = numberAt(deployment, "spec", "replicas") ?? 1;
  const sum = (field: string): number =>
    sets.reduce((n, set) => n + (numberAt(set, "status", field) ?? 0), 0);
  const replicas = sum("replicas");
  const available = sum("availableReplicas");
  const updated = current ? (numberAt(current, "status", "replicas") ?? 0) : 0;
  const rolling = objectAt(deployment, "spec", "strategy", "rollingUpdate");
  const enough = available >= wanted - share(rolling?.maxUnavailable, wanted, Math.floor);
  const complete = updated === wanted && replicas === wanted && available === wanted;
  const name = current?.metadata.name ?? deployment.metadata.name;
  const condition = (type: string, status: boolean, reason: string, message: string): JsonObject => {
    const before = listAt(deployment, "status", "conditions").find((c) => stringAt(c, "type") === type);
    const text = status ? "True" : "False";
    const same = stringAt(before, "status") === text;
    const stays = same && stringAt(before, "reason") === reason;
    return {
      type,
      status: text,
      reason,
      message,
      lastUpdateTime: stays ? (stringAt(before, "lastUpdateTime") ?? now) : now,
      lastTransitionTime: same ? (stringAt(before, "lastTransitionTime") ?? now) : now,
    };
  };
  const positive = (field: string, value: number): JsonObject => (value > 0 ? { [field]: value } : {});
  return {
    observedGeneration: deployment.metadata.generation ?? 1,
    ...positive("replicas", replicas),
    ...positive("updatedReplicas", updated),
    ...positive("readyReplicas", sum("readyReplicas")),
    ...positive("availableReplicas", available),
    ...positive("unavailableReplicas", Math.max(wanted - available, 0)),
    conditions: [
      enough
        ? condition("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.")
        : condition(
            "Available",
            false,
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
          ),
      complete
        ? condition(
            "Progressing",
            true,
            "NewReplicaSetAvailable",
            `ReplicaSet "${name}" has successfully progressed.`,
          )
        : condition("Progressing", true, "ReplicaSetUpdated", `ReplicaSet "${name}" is progressing.`),
    ],
  };
}
