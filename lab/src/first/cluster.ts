import type { Topology } from "../topology/topology.ts";
import { apiServer, controlPlane } from "./processes.ts";
import { step } from "./progress.ts";
import type { Supervisor } from "./supervisor.ts";

/** Starts the control plane. */
export async function bringUpCluster(topology: Topology, supervisor: Supervisor): Promise<void> {
  await step("control plane", async () => {
    supervisor.add(apiServer(topology));
    for (const spec of controlPlane()) supervisor.add(spec);
  });
}
