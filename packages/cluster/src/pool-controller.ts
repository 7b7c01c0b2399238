import {
  type ApiClient,
  type ClusterView,
  describeProblems,
  type Installation,
  isApiError,
  kinds,
  problemsOf,
} from "@fairlead/api";
import { type Ipam, isIpamError } from "@fairlead/ipam";
import {
  declaredPools,
  isManaged,
  managedLabel,
  matchPools,
  type PoolChange,
  planPools,
  type WantedPool,
} from "./pools.ts";
import { type ClusterLog, createWarner, type Warner } from "./warner.ts";

/** What the pool controller reads and writes with. */
export interface PoolControllerOptions {
  readonly client: Pick<ApiClient, "create" | "replace" | "get">;
  readonly view: Pick<ClusterView, "get" | "list">;
  /** Deletes a pool that nobody uses, and disables one that is in use; refuses a pool that overlaps others. */
  readonly pools: Pick<Ipam["pools"], "delete" | "checkFits">;
  readonly log: ClusterLog;
  readonly now?: () => Date;
}

/** Carries an Installation's pools over; safe to call at any time. */
export interface PoolController {
  /** Makes the pools as the Installation wants them. Resolves with the number of changes made; throws the first failure after trying all. */
  reconcile(): Promise<number>;
}

type Outcome = "made" | "nothing to do" | "refused";

/**
 * Carries the Installation's pools over into IPPool objects, and edits made behind its back, back again, with an event. An Installation
 * without a list of pools says nothing about them.
 */
export function createPoolController(options: PoolControllerOptions): PoolController {
  const { client, view, pools, log, now } = options;
  const warn = createWarner(client, log, now);
  /** The list that is being carried over; what is said and remembered below is about this one. */
  let text: string | undefined;
  /** Pools that were as this list wants them; a difference since then is somebody's edit. */
  const applied = new Set<string>();
  const said = new Set<string>();

  /** Says a lasting thing once per list, not on every round. */
  const warnOnce: Warner = async (kind, object, reason, message) => {
    const key = `${reason} ${kind}/${object.metadata.name}`;
    if (said.has(key)) return;
    await warn(kind, object, reason, message);
    said.add(key);
  };

  async function create({ name, spec }: WantedPool, installation: Installation): Promise<Outcome> {
    try {
      await pools.checkFits({ metadata: { name }, spec });
    } catch (error) {
      if (!isIpamError(error, "PoolInvalid")) throw error;
      return refuse(name, error.message, installation);
    }
    await client.create(kinds.IPPool, { metadata: { name, labels: { ...managedLabel } }, spec });
    log.info({ pool: name }, "created a pool of the Installation");
    return "made";
  }

  async function refuse(name: string, why: string, installation: Installation): Promise<Outcome> {
    const message = `pool ${name} of spec.calicoNetwork.ipPools cannot be made: ${why}`;
    await warnOnce("Installation", installation, "PoolRefused", message);
    return "refused";
  }

  async function make(change: PoolChange, installation: Installation): Promise<Outcome> {
    switch (change.type) {
      case "create":
        return create(change.pool, installation);
      case "refused":
        return refuse(change.pool.name, change.reason, installation);
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
        return "made";
      case "delete":
        return retire(change);
      case "impossible":
        await warnOnce(
          "IPPool",
          change.pool,
          "FieldsAreFixed",
          `${change.fields.join(", ")} of a pool cannot change: give the Installation a pool with another name`,
        );
        return "nothing to do";
      case "renamed":
        await warnOnce(
          "IPPool",
          change.pool,
          "FieldsAreFixed",
          `a pool keeps its name: this one is what the Installation calls ${change.name}; write ${change.pool.metadata.name} there`,
        );
        return "nothing to do";
    }
  }

  /** Deletes a pool that left the list, once nobody uses it. */
  async function retire({ pool }: PoolChange & { type: "delete" }): Promise<Outcome> {
    const { name } = pool.metadata;
    if (!(await hasLeft(pool.metadata))) return "nothing to do";
    const outcome = await pools.delete(name);
    if (outcome.deleted) {
      log.info({ pool: name }, "deleted a pool that left the Installation");
      return "made";
    }
    await warnOnce(
      "IPPool",
      pool,
      "StillInUse",
      `not in the Installation any more: gives out no addresses, and is deleted when the last one in use (now ${outcome.inUse}) is free; ` +
        "name it in spec.calicoNetwork.ipPools to keep it",
    );
    return "nothing to do";
  }

  /** What a watch has shown is too old to delete by: asks the server for both objects. */
  async function hasLeft({ name, uid }: { readonly name: string; readonly uid?: string }): Promise<boolean> {
    try {
      const wanted = declaredPools(await client.get(kinds.Installation, { name: "default" }));
      const pool = await client.get(kinds.IPPool, { name });
      if (!wanted || pool.metadata.uid !== uid || !isManaged(pool)) return false;
      return planPools(wanted, [pool], () => false).some(({ type }) => type === "delete");
    } catch (error) {
      if (isApiError(error, "NotFound", "NotServed")) return false;
      throw error;
    }
  }

  /** What is said and remembered belongs to one list. */
  function turnTo(next: string): void {
    if (next === text) return;
    text = next;
    applied.clear();
    said.clear();
  }

  async function reportProblems(installation: Installation): Promise<void> {
    const problems = problemsOf(installation);
    if (problems.length === 0) return;
    const message = `pools stay as they are: ${describeProblems(problems)}`;
    turnTo(message);
    await warnOnce("Installation", installation, "InvalidObject", message);
  }

  return {
    async reconcile() {
      const installation = view.get(kinds.Installation, { name: "default" });
      const wanted = declaredPools(installation);
      if (!installation || !wanted) {
        if (installation) await reportProblems(installation);
        return 0;
      }
      turnTo(JSON.stringify(wanted));
      const present = view.list(kinds.IPPool);
      let made = 0;
      let isHindered = false;
      const failures: unknown[] = [];
      for (const change of planPools(wanted, present, ({ metadata }) => applied.has(metadata.name))) {
        // A pool leaves when all others are in place.
        if (change.type === "delete" && isHindered) break;
        try {
          const outcome = await make(change, installation);
          if (outcome === "made") made += 1;
          if (outcome === "refused") isHindered = true;
        } catch (error) {
          isHindered = true;
          // Somebody was faster; the view brings the new state.
          if (!isApiError(error, "Conflict") && !isApiError(error, "AlreadyExists")) failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
      for (const [{ name }, pool] of matchPools(wanted, present)) applied.add(pool?.metadata.name ?? name);
      return made;
    },
  };
}
