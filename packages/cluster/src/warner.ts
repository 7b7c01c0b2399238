import { type ApiClient, type KubernetesObject, kinds } from "@fairlead/api";

/** Where the controller writes; pino fits. */
export interface ClusterLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Says something of a cluster-wide object: a warning event on it, and a line in the log. */
export type Warner = (
  kind: string,
  object: KubernetesObject,
  reason: string,
  message: string,
) => Promise<void>;

/** `now` dates the events. */
export function createWarner(
  client: Pick<ApiClient, "create">,
  log: ClusterLog,
  now: () => Date = () => new Date(),
): Warner {
  return async (kind, { apiVersion, metadata: { name, uid } }, reason, message) => {
    const at = now().toISOString();
    log.warn({ kind, name, reason }, message);
    await client.create(kinds.Event, {
      metadata: { generateName: `${name.slice(0, 200)}.`, namespace: "default" },
      involvedObject: { apiVersion, kind, name, ...(uid && { uid }) },
      type: "Warning",
      reason,
      message,
      source: { component: "fairlead-cluster" },
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
    });
  };
}
