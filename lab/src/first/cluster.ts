import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createApiClient, isApiError } from "@fairlead/api";
import { LabError } from "../error.ts";
import type { Topology } from "../topology/topology.ts";
import { accounts, writeKubeconfig } from "./accounts.ts";
import { applyDeployment } from "./deploy.ts";
import { Applier, readManifests } from "./manifest.ts";
import { inside, logDirectory, workspace } from "./paths.ts";
import { apiServer, controlPlane } from "./processes.ts";
import { step } from "./progress.ts";
import type { Supervisor } from "./supervisor.ts";

/** Starts the API server, creates what the manifests say, gives every program its account, and starts the controllers. */
export async function bringUpCluster(
  topology: Topology,
  supervisor: Supervisor,
  remarks: string[],
): Promise<void> {
  await step("API server", async () => {
    await mkdir(inside.cluster, { recursive: true, mode: 0o700 });
    supervisor.add(apiServer(topology));
    await untilServing();
  });
  const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
  try {
    await step("objects of deploy/ and lab/manifests/", async () => {
      const applier = new Applier(client);
      await applyDeployment();
      for (const object of readManifests([join(workspace, "lab/manifests")])) await applier.apply(object);
    });
    await step("service accounts", async () => {
      for (const account of accounts(topology)) {
        try {
          await writeKubeconfig(client, account, inside.adminKubeconfig);
        } catch (error) {
          if (!isApiError(error, "NotFound")) throw error;
          // Its program stays waiting and `lab status` shows it.
          remarks.push(`no service account ${account.namespace}/${account.name} in the manifests`);
        }
      }
    });
  } finally {
    await client.close();
  }
  await step("controllers", async () => {
    for (const spec of controlPlane()) supervisor.add(spec);
  });
}

/** The API server writes the administrator's kubeconfig when it listens. */
async function untilServing(patience = 20_000): Promise<void> {
  const deadline = Date.now() + patience;
  for (;;) {
    if (existsSync(inside.adminKubeconfig)) {
      const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
      try {
        await client.raw({ method: "GET", path: "/readyz" });
        return;
      } catch (error) {
        if (!isApiError(error, "Unavailable", "Timeout")) throw error;
      } finally {
        await client.close();
      }
    }
    if (Date.now() > deadline)
      throw new LabError("StartFailed", `the API server does not come up; see ${logDirectory}/apiserver.log`);
    await delay(25);
  }
}
