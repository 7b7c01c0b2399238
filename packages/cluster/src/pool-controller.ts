import { type ApiClient, type ClusterView, type Installation, isApiError, kinds } from "@fairlead/api";
import type { Ipam } from "@fairlead/ipam";
import { managedLabel, type PoolChange, planPools, wantedPools } from "./pools.ts";
import { type ClusterLog, createWarner } from "./warner.ts";

/** What the pool controller reads and writes with. */
export interface PoolControllerOptions {
  readonly client: Pick<ApiClient, "create" | "replace">;
  readonly view: Pick<ClusterView, "get" | "list">;
  /** Deletes a pool with its affinities, refusing while addresses of it are in use. */
  readonly pools: Pick<Ipam["pools"], "delete">;
  readonly log: ClusterLog;
  readonly now?: () => Date;
}

/** Carries an Installation's pools over; safe to call at any time. */
export interface PoolController {
  /** Makes the pools as the Installation wants them. Resolves with the number of changes made; throws the first failure after trying all. */
  reconcile(): Promise<number>;
}

/** Carries the Installation's pools over into IPPool objects, and edits made behind its back, back again, with an event. */
export function createPoolController(options: PoolControllerOptions): PoolController {
  const { client, view, log, now } = options;
  const warn = createWarner(client, log, now);
  /** What each pool's Installation looked like when the pool was last right. */
  const applied = new Map<string, string>();

  async function make(change: PoolChange): Promise<void> {
    switch (change.type) {
      case "create": {
        const { name, spec } = change.pool;
        await client.create(kinds.IPPool, { metadata: { name, labels: { ...managedLabel } }, spec });
        return log.info({ pool: name }, "created a pool of the Installation");
      }
      case "replace":
        await client.replace(kinds.IPPool, change.pool);
        log.info(
          { pool: change.pool.metadata.name, fields: change.fields },
          "made a pool as the Installation wants it",
        );
        if (change.wasEdited)
          await warn(
            "IPPool",
            change.pool,
            "EditReverted",
            `set back to what the Installation says: ${change.fields.join(", ")}; change spec.calicoNetwork.ipPools there`,
          );
        return;
      case "delete":
        await options.pools.delete(change.pool.metadata.name);
        return log.info({ pool: change.pool.metadata.name }, "deleted a pool that left the Installation");
      case "impossible":
        return warn(
          "IPPool",
          change.pool,
          "FieldsAreFixed",
          `${change.fields.join(", ")} of a pool cannot change: give the Installation a pool with another name`,
        );
    }
  }

  /** Says an impossible thing once, not on every round. */
  const said = new Set<string>();

  return {
    async reconcile() {
      const installation = view.get(kinds.Installation, { name: "default" });
      // Without an Installation pools are managed by hand.
      if (!installation) return 0;
      const text = poolsText(installation);
      const present = view.list(kinds.IPPool);
      const plan = planPools(
        wantedPools(installation),
        present,
        ({ metadata }) => applied.get(metadata.name) === text,
      );
      let made = 0;
      const failures: unknown[] = [];
      for (const change of plan) {
        const key = `${change.type} ${change.pool && "metadata" in change.pool ? change.pool.metadata.name : change.pool.name} ${text}`;
        if (change.type === "impossible" && said.has(key)) continue;
        try {
          await make(change);
          if (change.type === "impossible") said.add(key);
          made += 1;
        } catch (error) {
          // Somebody was faster; the view brings the new state.
          if (!isApiError(error, "Conflict") && !isApiError(error, "AlreadyExists")) failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
      for (const { name } of wantedPools(installation)) applied.set(name, text);
      return made;
    },
  };
}

const poolsText = (installation: Installation) =>
  JSON.stringify(installation.spec.calicoNetwork?.ipPools ?? []);
