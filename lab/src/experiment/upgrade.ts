/** An upgrade as a DaemonSet does it: the programs of a node are told to end, are away for a while, and run again. */
import { setTimeout as delay } from "node:timers/promises";
import { createBird } from "@fairlead/bgp";
import { run } from "../command.ts";
import { ask } from "../control/client.ts";
import type { NodeStatus } from "../control/protocol.ts";
import { inside } from "../first/paths.ts";
import { entering, pathOn, waitFor } from "./machines.ts";

/** Tells processes of the lab to end, waits until they have, and starts them again after `away` milliseconds. */
export async function replaceProcesses(names: readonly string[], away: number): Promise<void> {
  for (const process of names) await ask(inside.control, { method: "stop", process });
  await waitFor(`end of ${names.join(", ")}`, 60, async () => {
    const { processes } = await ask(inside.control, { method: "status" });
    return processes.some(({ name, pid }) => names.includes(name) && pid !== undefined) ? undefined : true;
  });
  await delay(away);
  for (const process of names) await ask(inside.control, { method: "restart", process });
}

/** Replaces agent and BIRD of a node and waits until the DaemonSet would call both ready. */
export async function upgradeNode(node: NodeStatus, away: number): Promise<void> {
  await replaceProcesses([`${node.name}/fairlead-node`, `${node.name}/bird`], away);
  const bird = createBird({
    controlSocket: pathOn(node, "/run/fairlead/bird.ctl"),
    configFile: pathOn(node, "/var/lib/fairlead/bird.conf"),
  });
  try {
    await waitFor(`BIRD of ${node.name} with all its sessions`, 90, async () => {
      const status = await bird.status().catch(() => undefined);
      const sessions = status?.protocols.filter(({ type }) => type === "BGP") ?? [];
      const stand = sessions.length > 0 && sessions.every(({ info }) => info.startsWith("Established"));
      return stand && status?.state === "running" ? true : undefined;
    });
    await waitFor(`the agent of ${node.name} ready`, 90, () =>
      run([...entering(node), "curl", "--fail", "--silent", "localhost:9099/readiness"]).then(
        () => true as const,
        () => undefined,
      ),
    );
  } finally {
    bird.close();
  }
}
