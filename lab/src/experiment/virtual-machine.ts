/** One VM of the demo: what a user would write with kubectl, and nothing more. */
import {
  type ApiClient,
  getIfPresent,
  kinds,
  type Pod,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { LabError } from "../error.ts";
import { type Faults, faultsAnnotation } from "../kubevirt/faults.ts";
import { waitFor } from "./machines.ts";

const namespace = "default";

/** Addresses of a VM, and the node it runs on. */
export interface RunningVm {
  readonly node: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A VM as an operator's guide has it: bridge binding on the pod network, allowed to migrate. */
export const virtualMachine = (name: string) => ({
  apiVersion: "kubevirt.io/v1" as const,
  kind: "VirtualMachine" as const,
  metadata: { name, namespace },
  spec: {
    runStrategy: "Always" as const,
    template: {
      metadata: { annotations: { "kubevirt.io/allow-pod-bridge-network-live-migration": "" } },
      spec: {
        domain: {
          cpu: { cores: 2 },
          devices: { interfaces: [{ name: "default", bridge: {} }] },
          resources: { requests: { memory: "96Mi" } },
        },
        networks: [{ name: "default", pod: {} }],
      },
    },
  },
});

/** Creates it. */
export async function createVm(client: ApiClient, name: string): Promise<void> {
  await client.create(kinds.VirtualMachine, virtualMachine(name));
}

/** Waits until the VM's instance runs and its pod has both addresses. */
export async function waitUntilRunning(
  client: ApiClient,
  name: string,
  previousUid?: string,
): Promise<RunningVm> {
  return await waitFor(`VM ${name} running`, 90, async () => {
    const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, { namespace, name });
    const node = vmi?.status?.nodeName;
    if (vmi?.status?.phase !== "Running" || !node || vmi.metadata.uid === previousUid) return undefined;
    const addresses = await addressesOn(client, vmi.metadata.uid ?? "", node);
    return addresses && { node, ...addresses };
  });
}

/** A migration asked for. */
export type Migration = VirtualMachineInstanceMigration;

/** Asks for a migration; `faults` tells the KubeVirt stand-in what should go wrong. */
export async function requestMigration(
  client: ApiClient,
  name: string,
  target: string,
  faults: Faults = {},
): Promise<Migration> {
  return await client.create(kinds.VirtualMachineInstanceMigration, {
    metadata: {
      generateName: `${name}-`,
      namespace,
      annotations: { [faultsAnnotation]: JSON.stringify(faults) },
    },
    spec: { vmiName: name, addedNodeSelector: { "kubernetes.io/hostname": target } },
  });
}

/** Waits until KubeVirt says how a migration ended; undefined when it was deleted. */
export async function waitForEnd(client: ApiClient, { metadata }: Migration): Promise<Migration | undefined> {
  return await waitFor(`end of migration ${metadata.name}`, 120, async () => {
    const migration = await getIfPresent(client, kinds.VirtualMachineInstanceMigration, {
      namespace,
      name: metadata.name!,
    });
    const phase = migration?.status?.phase;
    return migration === undefined || phase === "Succeeded" || phase === "Failed" ? { migration } : undefined;
  }).then(({ migration }) => migration);
}

/** Waits until a migration has reached a phase, or gone past it. */
export async function waitForPhase(client: ApiClient, { metadata }: Migration, phase: string): Promise<void> {
  await waitFor(`migration ${metadata.name} ${phase}`, 60, async () => {
    const migration = await client.get(kinds.VirtualMachineInstanceMigration, {
      namespace,
      name: metadata.name!,
    });
    const reached = migration.status?.phaseTransitionTimestamps?.some((entry) => entry.phase === phase);
    return reached || migration.status?.phase === phase ? true : undefined;
  });
}

/** Cancels a migration as `virtctl migrate-cancel` does: by deleting it. */
export async function cancelMigration(client: ApiClient, { metadata }: Migration): Promise<void> {
  await client.delete(kinds.VirtualMachineInstanceMigration, { namespace, name: metadata.name! });
}

/** Moves a VM and waits until KubeVirt calls it done. @throws LabError `CommandFailed` when it failed */
export async function migrateVm(client: ApiClient, name: string, target: string): Promise<Migration> {
  const ended = await waitForEnd(client, await requestMigration(client, name, target));
  if (ended?.status?.phase !== "Succeeded") {
    throw new LabError(
      "CommandFailed",
      `the migration of ${name} to ${target} failed: ${JSON.stringify(ended?.status)}`,
    );
  }
  return ended;
}

/** Stops the VM, waits until nothing of it runs, and starts it again. */
export async function restartVm(client: ApiClient, name: string): Promise<RunningVm> {
  const before = await client.get(kinds.VirtualMachineInstance, { namespace, name });
  await setRunStrategy(client, name, "Halted");
  await waitFor(`VM ${name} stopped`, 90, async () => {
    const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, { namespace, name });
    return vmi === undefined ? true : undefined;
  });
  await setRunStrategy(client, name, "Always");
  return await waitUntilRunning(client, name, before.metadata.uid);
}

/** Deletes the VM and waits until it and its instance are gone. */
export async function deleteVm(client: ApiClient, name: string): Promise<void> {
  await client.delete(kinds.VirtualMachine, { namespace, name });
  await waitFor(`VM ${name} gone`, 90, async () => {
    const left = await getIfPresent(client, kinds.VirtualMachine, { namespace, name });
    return left === undefined ? true : undefined;
  });
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
