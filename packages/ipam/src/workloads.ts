import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf } from "./block-draft.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { containerHandle, legacyPodHandle, vmHandle } from "./names.ts";
import { isOwnerSandbox } from "./owner-record.ts";
import { assignPod, releasePod } from "./pod-workloads.ts";
import { releaseOfPod } from "./release.ts";
import { translated } from "./translate.ts";
import { promoteVm, releaseVm } from "./vm-release.ts";
import { assignVm } from "./vm-workloads.ts";
import { checkRequest } from "./workload-request.ts";
import type {
  PromoteRequest,
  WorkloadAssignment,
  WorkloadRelease,
  WorkloadReleaseResult,
  WorkloadRequest,
  Workloads,
} from "./workload-types.ts";

/** Handles of which this process knows that nothing is left: the runtime asks to delete a sandbox more than once. */
const rememberedReleases = 4096;

const launcherPrefix = "virt-launcher-";

export function createWorkloads(engine: Engine): Workloads {
  const finished = new Set<string>();
  const finish = (handle: string) => {
    if (finished.size >= rememberedReleases) finished.delete(finished.values().next().value!);
    finished.add(handle);
  };

  async function persistent(): Promise<boolean> {
    return (await engine.settings()).configuration.kubeVirtVMAddressPersistence === "Enabled";
  }

  async function assignOrdinary(request: WorkloadRequest): Promise<WorkloadAssignment> {
    const handle = containerHandle(request.network, request.containerId);
    finished.delete(handle);
    const { allocated, reused } = await assignPod(engine, request, handle, checkRequest(request));
    return {
      addresses: allocated.map(({ address, block }) => ({
        address,
        family: block.family,
        blockPrefixLength: block.prefixLength,
      })),
      handle,
      owner: "sole",
      reused,
      ...(request.mac ? { mac: request.mac } : {}),
    };
  }

  async function assign(request: WorkloadRequest): Promise<WorkloadAssignment> {
    request.signal?.throwIfAborted();
    const addresses = checkRequest(request);
    const { vm } = request;
    if (!vm) return assignOrdinary(request);
    if (await persistent()) {
      const handle = vmHandle(request.network, request.pod.namespace, vm.name);
      return assignVm(engine, { ...request, vm }, handle, addresses);
    }
    if (vm.role === "target")
      throw new IpamError(
        "PersistenceDisabled",
        "live migration target pod is not allowed when KubeVirtVMAddressPersistence is disabled",
      );
    return assignOrdinary(request);
  }

  async function release(request: WorkloadRelease): Promise<WorkloadReleaseResult> {
    request.signal?.throwIfAborted();
    const { vm, pod, containerId } = request;
    const sandbox = { ...pod, containerId };
    const keeps = (await engine.settings()).configuration.kubeVirtVMAddressPersistence === "Enabled";
    const container = containerHandle(request.network, request.containerId);
    const released: string[] = [];
    const kept: string[] = [];
    let isOwner = false;
    if (vm) {
      // The setting may have changed since the address was given, so both handles are looked at.
      const handle = vmHandle(request.network, pod.namespace, vm.name);
      const outcome = await releaseVm(engine, handle, { pod: sandbox, vm, free: vm.deleting || !keeps });
      released.push(...outcome.released);
      kept.push(...outcome.kept);
      isOwner = outcome.isOwner;
    } else if (pod.name.startsWith(launcherPrefix)) {
      // The pod object is gone, so nobody could say whose VM it was. The records can.
      for (const handle of await handlesOwnedBy(request)) {
        const outcome = await releaseVm(engine, handle, { pod: sandbox, free: false });
        kept.push(...outcome.kept);
      }
    }
    if (!finished.has(container)) {
      // Who owned the VM's address was given none of its own, so not all blocks need be looked through for one.
      const own = await releasePod(engine, request, container, { search: !isOwner });
      released.push(...own);
      if (own.length === 0 && kept.length === 0)
        released.push(...(await releaseOfPod(engine, legacyPodHandle(pod.namespace, pod.name), pod)));
      finish(container);
    }
    return { released, kept };
  }

  /** VM handles on which a pod is still recorded as an owner. */
  async function handlesOwnedBy({ pod, containerId }: WorkloadRelease): Promise<ReadonlySet<string>> {
    const handles = new Set<string>();
    const sandbox = { ...pod, containerId };
    for (const block of await engine.listBlocks()) {
      const geometry = tryDecodeBlock(block);
      if (!geometry) continue;
      for (const { handle, owners } of allocationsOf(block.spec, geometry))
        if (
          handle?.includes(".vmi.") &&
          [owners.active, owners.alternate].some((owner) => isOwnerSandbox(owner, sandbox))
        )
          handles.add(handle);
    }
    return handles;
  }

  async function promote(request: PromoteRequest): Promise<"owner" | "elsewhere"> {
    request.signal?.throwIfAborted();
    return promoteVm(engine, vmHandle(request.network, request.vm.namespace, request.vm.name), request);
  }

  /** A runtime that lost patience with an ADD may send the DEL while the ADD still runs: one after the other. */
  const queue = new KeyedQueue();
  const keyOf = ({ network, containerId }: { readonly network: string; readonly containerId: string }) =>
    `${network} ${containerId}`;
  return {
    assign: translated((request: WorkloadRequest) => queue.run(keyOf(request), () => assign(request))),
    release: translated((request: WorkloadRelease) => queue.run(keyOf(request), () => release(request))),
    promote: translated(promote),
  };
}
