import { parseAddress } from "./address.ts";
import { attribute, handleAnnotation } from "./attributes.ts";
import { IpamError } from "./errors.ts";
import { findNamedPools } from "./pool.ts";
import type { Attributes, Family } from "./resources.ts";
import type { Settings } from "./settings.ts";
import type { VmState } from "./vm-state.ts";
import type { VmIdentity, WorkloadRequest } from "./workload-types.ts";

/**
 * Whether a record is of the same VM: by the VirtualMachine's UID, or for an ownerless VMI by its own. Undefined when the record does
 * not say, as in data of the incumbent.
 */
export function sameIdentity(vm: VmIdentity, record: Attributes): boolean | undefined {
  const vmUid = record[attribute.vmUid];
  const vmiUid = record[attribute.vmiUid];
  if (vm.vmUid) return vmUid ? vmUid === vm.vmUid : undefined;
  if (vmUid) return false;
  return vmiUid ? vmiUid === vm.vmiUid : undefined;
}

/** What is kept with the VM's handle. A MAC once given stays until another one is given. */
export function identityAnnotations({ vm, pod, mac }: WorkloadRequest): Record<string, string> {
  if (!vm) return {};
  return {
    [handleAnnotation.namespace]: pod.namespace,
    [handleAnnotation.vmName]: vm.name,
    [handleAnnotation.vmiUid]: vm.vmiUid,
    ...(vm.vmUid ? { [handleAnnotation.vmUid]: vm.vmUid } : {}),
    ...(mac ? { [handleAnnotation.mac]: mac } : {}),
  };
}

/**
 * A request that asks for something else than the VM has is refused rather than ignored. Pools count only when named, and a pool that is
 * disabled by now still counts as the address's pool.
 * @throws IpamError RequestChanged
 */
export function checkVmRequest(
  request: WorkloadRequest,
  addresses: ReadonlyMap<Family, string>,
  { object, held }: VmState,
  settings: Settings,
): void {
  for (const { address, block } of held) {
    const asked = addresses.get(block.family);
    if (asked !== undefined && parseAddress(asked)?.value !== parseAddress(address)?.value)
      throw new IpamError("RequestChanged", `the VM has ${address}, but ${asked} is asked for`, {
        field: "addresses",
      });
    const named = request.pools?.[block.family];
    if (asked === undefined && named?.length) {
      const pools = findNamedPools(settings.pools, named);
      const value = parseAddress(address)!;
      if (pools.length > 0 && !pools.some((contains) => contains(value)))
        throw new IpamError(
          "RequestChanged",
          `the VM has ${address}, which is in none of the pools ${named.join(", ")}`,
          {
            field: `pools[${block.family}]`,
          },
        );
    }
  }
  const known = object?.metadata.annotations?.[handleAnnotation.mac];
  if (
    request.vm?.role === "target" &&
    known &&
    request.mac &&
    known.toLowerCase() !== request.mac.toLowerCase()
  )
    throw new IpamError("RequestChanged", `the VM runs with MAC ${known}, but ${request.mac} is asked for`, {
      field: "mac",
    });
}
