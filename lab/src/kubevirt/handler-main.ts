/**
 * `node handler-main.ts --kubeconfig FILE --node NAME`: the stand-in's virt-handler of one node, in the node's network
 * and mount namespace, until SIGTERM. It makes the node schedulable for VMs and shows that it lives, as KubeVirt's does.
 *
 * Environment: FAIRLEAD_LAB_KUBEVIRT (default /run/kubevirt), shared with the launchers; FAIRLEAD_LAB_PODS (default
 * /run/lab-kubelet/pods), where the pod runner names the pods' network namespaces.
 */
import { mkdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type ApiClient, createApiClient, createClusterView, kinds } from "@fairlead/api";
import { handlerKinds, startVirtHandler } from "./handler/handler.ts";
import { defaultRoot } from "./launcher-protocol.ts";
import { annotations, labels } from "./names.ts";
import { timestamp } from "./status.ts";

const heartbeatMs = 60_000;
const retryMs = 200;

const { values } = parseArgs({ options: { kubeconfig: { type: "string" }, node: { type: "string" } } });
if (!values.kubeconfig || !values.node) {
  process.stderr.write("usage: handler-main.ts --kubeconfig FILE --node NAME\n");
  process.exit(2);
}
const node = values.node;
const log = (message: string) => void process.stderr.write(`${message}\n`);
const root = process.env.FAIRLEAD_LAB_KUBEVIRT ?? defaultRoot;
mkdirSync(root, { recursive: true });

const client = createApiClient({ kubeconfig: values.kubeconfig });
const address = await waitForAddress(client, node);
const view = createClusterView({ client, kinds: handlerKinds });
const kubelet = process.env.FAIRLEAD_LAB_PODS ?? "/run/lab-kubelet/pods";
const handler = startVirtHandler({ client, view, node, address, root, kubelet, log });
await showAlive();
const heartbeat = setInterval(() => void showAlive().catch((error) => log(String(error))), heartbeatMs);

process.once("SIGTERM", async () => {
  clearInterval(heartbeat);
  await handler.stop();
  await view.close();
  await client.close();
});

async function showAlive(): Promise<void> {
  const metadata = {
    labels: { [labels.schedulable]: "true" },
    annotations: { [annotations.heartbeat]: timestamp(Date.now()) },
  };
  await client.patch(kinds.Node, { name: node }, { metadata }, { type: "merge" });
}

/** The node's own address, once the kubelet has registered it. */
async function waitForAddress(client: ApiClient, name: string): Promise<string> {
  for (;;) {
    try {
      const { status } = await client.get(kinds.Node, { name });
      const internal = status?.addresses?.find(({ type }) => type === "InternalIP");
      if (internal) return internal.address;
      log(`node ${name} has no InternalIP yet`);
    } catch (error) {
      log(`node ${name} is not there yet: ${error instanceof Error ? error.message : error}`);
    }
    await delay(retryMs);
  }
}
