import { setTimeout as delay } from "node:timers/promises";
import { createApiClient, isApiError, kinds } from "@fairlead/api";
import { createBird } from "@fairlead/bgp";
import { LabError, messageOf } from "../error.ts";
import type { LabNode } from "./nodes.ts";
import { inside } from "./paths.ts";

/** Waits until every worker's Node object says that it is ready. @throws LabError `StartFailed` naming those that are not */
export async function untilNodesReady(workers: readonly LabNode[], patience = 90_000): Promise<void> {
  const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
  try {
    await repeat(patience, async () => {
      const { items } = await client.list(kinds.Node).catch((error: unknown) => {
        if (isApiError(error, "Unavailable", "Timeout")) return { items: [] };
        throw error;
      });
      const ready = new Set(
        items
          .filter((node) => node.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True"))
          .map((node) => node.metadata.name),
      );
      const missing = workers.filter(({ name }) => !ready.has(name)).map(({ name }) => name);
      return missing.length === 0 ? undefined : `${missing.join(", ")} not ready`;
    });
  } finally {
    await client.close();
  }
}

/** Waits until every worker's BGP sessions stand, both families. */
export async function untilSessionsStand(workers: readonly LabNode[], patience = 90_000): Promise<void> {
  for (const worker of workers) {
    const root = `/proc/${worker.holder.pid}/root`;
    const bird = createBird({
      controlSocket: `${root}/run/fairlead/bird.ctl`,
      configFile: `${root}/var/lib/fairlead/bird.conf`,
    });
    try {
      await repeat(patience, async () => {
        try {
          const sessions = (await bird.status()).protocols.filter(({ type }) => type === "BGP");
          const down = sessions.filter(({ info }) => !info.startsWith("Established"));
          if (sessions.length === 0) return `${worker.name}: no BGP session configured`;
          return down.length === 0
            ? undefined
            : `${worker.name}: ${down.map(({ name, info }) => `${name} ${info}`).join(", ")}`;
        } catch (error) {
          return `${worker.name}: ${messageOf(error)}`;
        }
      });
    } finally {
      bird.close();
    }
  }
}

/** Asks until nothing is missing any more; `look` names what is. */
async function repeat(patience: number, look: () => Promise<string | undefined>): Promise<void> {
  const deadline = Date.now() + patience;
  for (;;) {
    const missing = await look();
    if (missing === undefined) return;
    if (Date.now() > deadline)
      throw new LabError("StartFailed", `${missing} after ${patience / 1000} s; see lab/out/logs`);
    await delay(50);
  }
}
