/** Pods that answer datagrams: the other end of a probe where no VM is needed. */
import { join } from "node:path";
import { type ApiClient, getIfPresent, kinds } from "@fairlead/api";
import type { NodeStatus } from "../control/protocol.ts";
import { promptly } from "../precedence.ts";
import { waitFor } from "./machines.ts";
import type { RunningVm } from "./virtual-machine.ts";

const program = join(import.meta.dirname, "..", "probe", "echo-main.ts");
const namespace = "default";

/** A pod that runs, and how to remove it. */
export interface EchoPod extends RunningVm, AsyncDisposable {}

/** Starts a pod on a node that sends every datagram for port 7 back. */
export async function startEchoPod(client: ApiClient, node: NodeStatus): Promise<EchoPod> {
  const name = `echo-${node.name}`;
  await client.create(kinds.Pod, {
    metadata: { name, namespace, labels: { app: "echo" } },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node.name },
      restartPolicy: "Never",
      containers: [{ name: "echo", image: "echo", command: [...promptly(), process.execPath, program, "7"] }],
    },
  });
  const [ipv4, ipv6] = await waitFor(`addresses of pod ${name}`, 60, async () => {
    const { status } = await client.get(kinds.Pod, { namespace, name });
    const addresses = status?.podIPs?.map(({ ip }) => ip) ?? [];
    return status?.phase === "Running" && addresses.length === 2 ? addresses : undefined;
  });
  return {
    node: node.name,
    ipv4: ipv4!,
    ipv6: ipv6!,
    async [Symbol.asyncDispose]() {
      await client.delete(kinds.Pod, { namespace, name });
      await waitFor(`end of pod ${name}`, 60, async () =>
        (await getIfPresent(client, kinds.Pod, { namespace, name })) === undefined ? true : undefined,
      );
    },
  };
}
