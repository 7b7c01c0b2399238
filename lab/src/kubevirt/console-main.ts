/**
 * `node console-main.ts --kubeconfig FILE VM`: connects the terminal with a VM's serial console, until Ctrl-].
 * Finds the launcher's socket from outside the node: below the directory in which the lab keeps the nodes' own /run.
 */
import { createConnection } from "node:net";
import { parseArgs } from "node:util";
import { createApiClient, getIfPresent, kinds, listAll } from "@fairlead/api";
import { inNode } from "../first/processes.ts";
import { consoleSocket } from "../qemu/index.ts";
import { attachConsole } from "./console.ts";
import { currentPod } from "./controller/vmi.ts";
import { defaultRoot, launcherDirectory } from "./launcher-protocol.ts";
import { labels } from "./names.ts";
import { parseVmName } from "./vm-name.ts";

const { values, positionals } = parseArgs({
  options: { kubeconfig: { type: "string" } },
  allowPositionals: true,
});
if (!values.kubeconfig || positionals.length !== 1) {
  process.stderr.write("usage: console-main.ts --kubeconfig FILE VM\n");
  process.exit(2);
}

const socket = createConnection(await findConsole(values.kubeconfig, positionals[0]!));
const { stdin, stdout, stderr } = process;
socket.once("connect", () => stderr.write("connected; Ctrl-] leaves\n"));
if (stdin.isTTY) stdin.setRawMode(true);
try {
  await attachConsole({ socket, keys: stdin, screen: stdout });
} catch (error) {
  stderr.write(`lab: the console does not answer: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  if (stdin.isTTY) stdin.setRawMode(false);
  stderr.write("\n");
}
process.exit();

async function findConsole(kubeconfig: string, vm: string): Promise<string> {
  const client = createApiClient({ kubeconfig });
  try {
    const { namespace, name } = parseVmName(vm);
    const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, { namespace, name });
    if (vmi === undefined)
      throw new Error(`VM ${namespace}/${name} does not run; those that do: pnpm lab kubectl get vmi -A`);
    const labelSelector = `${labels.createdBy}=${vmi.metadata.uid}`;
    const pod = currentPod(vmi, (await listAll(client, kinds.Pod, { namespace, labelSelector })).items);
    if (pod?.spec.nodeName === undefined)
      throw new Error(`VM ${vm} has no pod on a node yet; wait until it runs`);
    return consoleSocket(inNode(pod.spec.nodeName, launcherDirectory(defaultRoot, pod.metadata.uid!)));
  } catch (error) {
    process.stderr.write(`lab: ${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  } finally {
    await client.close();
  }
}
