import { type ApiClient, kinds } from "@fairlead/api";

/** The object that a warning is about. */
export interface Concerned {
  readonly kind: "Node" | "Pod";
  readonly name: string;
  /** Absent for a node, whose events stand in `default`. */
  readonly namespace?: string;
  readonly uid?: string | undefined;
}

export interface WarningsOptions {
  readonly client: Pick<ApiClient, "create">;
  readonly nodeName: string;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

/** Warnings as Kubernetes events; nobody waits for them. */
export interface Warnings {
  /** Writes the same warning about the same object once per run of the agent. */
  warn(about: Concerned, reason: string, message: string): void;
}

/** The API server cuts nothing off, it refuses. */
const longestMessage = 1024;
/** A cluster in trouble does not need a thousand equal words of each node. */
const remembered = 1024;

export function createWarnings({ client, nodeName, now, onError }: WarningsOptions): Warnings {
  const said = new Set<string>();
  return {
    warn(about, reason, message) {
      const namespace = about.namespace ?? "default";
      const key = JSON.stringify([about.kind, namespace, about.name, about.uid, reason, message]);
      if (said.has(key) || said.size >= remembered) return;
      said.add(key);
      const at = new Date(now()).toISOString();
      const event = {
        metadata: { generateName: `${about.name.slice(0, 200)}.`, namespace },
        involvedObject: {
          apiVersion: "v1",
          kind: about.kind,
          name: about.name,
          ...(about.namespace && { namespace }),
          ...(about.uid && { uid: about.uid }),
        },
        reason,
        message: message.slice(0, longestMessage),
        type: "Warning" as const,
        source: { component: "fairlead-node", host: nodeName },
        firstTimestamp: at,
        lastTimestamp: at,
        count: 1,
      };
      client.create(kinds.Event, event, { signal: AbortSignal.timeout(10_000) }).catch((error: unknown) => {
        said.delete(key);
        onError(error);
      });
    },
  };
}
