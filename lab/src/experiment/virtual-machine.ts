/** One VM of the demo: what a user would write with kubectl, and nothing more. */
import {
  type ApiClient,
  ApiError,
  kinds,
  type Pod,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { LabError } from "../error.ts";
import { waitFor } from "./machines.ts";

const namespace = "default";

/** Addresses of a VM, and the node it runs on. */
export interface RunningVm {
  readonly node: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Creates the VM of the user's page: bridge binding on the pod network, allowed to migrate. */
export async function createVm(client: ApiClient, name: string): Promise<void> {
  await client.create(kinds.VirtualMachine, {
    metadata: { name, namespace },
    spec: {
      runStrategy: "Always",
      template: {
        metadata: { annotations: { "kubevirt.io/allow-pod-bridge-network-live-migration": "" } },
        spec: {
          domain: {
            devices: { interfaces: [{ name: "default", bridge: {} }] },
            resources: { requests: { memory: "128Mi" } },
          },
          networks: [{ name: "default", pod: {} }],
        },
      },
    },
  });
}

/** Waits until the VM's instance runs and its pod has both addresses. */
export async function waitUntilRunning(
  client: ApiClient,
  name: string,
  previousUid?: string,
): Promise<RunningVm> {
  return await waitFor(`VM ${name} running`, 90, async () => {
    const vmi = await find(() => client.get(kinds.VirtualMachineInstance, { namespace, name }));
    const node = vmi?.status?.nodeName;
    if (vmi?.status?.phase !== "Running" || !node || vmi.metadata.uid === previousUid) return undefined;
    const addresses = await addressesOn(client, vmi.metadata.uid ?? "", node);
    return addresses && { node, ...addresses };
  });
}

/** Asks for a migration and waits until KubeVirt says how it ended. */
export async function migrateVm(
  client: ApiClient,
  name: string,
  target: string,
): Promise<VirtualMachineInstanceMigration> {
  const { metadata } = await client.create(kinds.VirtualMachineInstanceMigration, {
    metadata: { generateName: `${name}-`, namespace },
    spec: { vmiName: name, addedNodeSelector: { "kubernetes.io/hostname": target } },
  });
  const ended = await waitFor(`migration of ${name} to ${target}`, 120, async () => {
    const migration = await client.get(kinds.VirtualMachineInstanceMigration, {
      namespace,
      name: metadata.name!,
    });
    const phase = migration.status?.phase;
    return phase === "Succeeded" || phase === "Failed" ? migration : undefined;
  });
  if (ended.status?.phase === "Failed") {
    throw new LabError(
      "CommandFailed",
      `the migration of ${name} to ${target} failed: ${JSON.stringify(ended.status)}`,
    );
  }
  return ended;
}

/** Stops the VM, waits until nothing of it runs, and starts it again. */
export async function restartVm(client: ApiClient, name: string): Promise<RunningVm> {
  const before = await client.get(kinds.VirtualMachineInstance, { namespace, name });
  await setRunStrategy(client, name, "Halted");
  await waitFor(`VM ${name} stopped`, 90, async () => {
    const vmi = await find(() => client.get(kinds.VirtualMachineInstance, { namespace, name }));
    return vmi === undefined ? true : undefined;
  });
  await setRunStrategy(client, name, "Always");
  return await waitUntilRunning(client, name, before.metadata.uid);
}

async function setRunStrategy(
  client: ApiClient,
  name: string,
  runStrategy: "Always" | "Halted",
): Promise<void> {
  await client.patch(kinds.VirtualMachine, { namespace, name }, { spec: { runStrategy } }, { type: "merge" });
}

/** KubeVirt's VMI leaves out IPv6 in bridge binding, so the addresses are read from the launcher pod on that node. */
async function addressesOn(
  client: ApiClient,
  vmiUid: string,
  node: string,
): Promise<Pick<RunningVm, "ipv4" | "ipv6"> | undefined> {
  const { items } = await client.list(kinds.Pod, {
    namespace,
    labelSelector: `kubevirt.io/created-by=${vmiUid}`,
  });
  const pod = items.find((candidate) => candidate.spec?.nodeName === node && isAlive(candidate));
  const ips = pod?.status?.podIPs?.map(({ ip }) => ip) ?? [];
  const ipv4 = ips.find((ip) => !ip.includes(":"));
  const ipv6 = ips.find((ip) => ip.includes(":"));
  return ipv4 && ipv6 ? { ipv4, ipv6 } : undefined;
}

function isAlive(pod: Pod): boolean {
  return pod.status?.phase === "Running" || pod.status?.phase === "Pending";
}

async function find<T>(get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (error instanceof ApiError && error.code === "NotFound") return undefined;
    throw error;
  }
}
