/** `node controller-main.ts --kubeconfig FILE`: the stand-in's virt-controller, until SIGTERM. */
import { parseArgs } from "node:util";
import { createApiClient, createClusterView } from "@fairlead/api";
import { controllerKinds, startVirtController } from "./controller/controller.ts";

const { values } = parseArgs({ options: { kubeconfig: { type: "string" } } });
if (!values.kubeconfig) {
  process.stderr.write("usage: controller-main.ts --kubeconfig FILE\n");
  process.exit(2);
}

const client = createApiClient({ kubeconfig: values.kubeconfig });
const view = createClusterView({ client, kinds: controllerKinds });
const controller = startVirtController({
  client,
  view,
  log: (message) => process.stderr.write(`${message}\n`),
});

process.once("SIGTERM", async () => {
  await controller.stop();
  await view.close();
  await client.close();
});
