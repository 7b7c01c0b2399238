/** The lab's API server in a process of its own, as a target for benchmarks. Sends its kubeconfig, ends with its parent. */
import { createApiClient, kinds, ownCrds } from "@fairlead/api";
import { startApiServer } from "../../../lab/src/apiserver/index.ts";

const server = await startApiServer();
const client = createApiClient({ kubeconfig: server.adminKubeconfig });
for (const crd of ownCrds()) await client.create(kinds.CustomResourceDefinition, crd);
await client.close();
process.on("disconnect", () => void server.close().then(() => process.exit(0)));
process.send?.(server.adminKubeconfig);
