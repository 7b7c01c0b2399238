import { parseAddress } from "./address.ts";
import { attribute } from "./attributes.ts";
import { IpamError } from "./errors.ts";
import { formatTimestamp } from "./owner-record.ts";
import type { Attributes, Family } from "./resources.ts";
import type { PromoteRequest, WorkloadRequest } from "./workload-types.ts";

/** A request for a VM's pod. */
export type VmRequest = WorkloadRequest & { readonly vm: NonNullable<WorkloadRequest["vm"]> };

/**
 * Checks a request and sorts its static addresses by family.
 * @throws IpamError RequestInvalid, AddressInvalid
 */
export function checkRequest(request: WorkloadRequest): ReadonlyMap<Family, string> {
  const object = `pod ${request.pod.namespace}/${request.pod.name}`;
  const wrong = (field: string, message: string) =>
    new IpamError("RequestInvalid", message, { object, field });
  for (const field of ["containerId", "node"] as const) if (!request[field]) throw wrong(field, "is empty");
  for (const field of ["namespace", "name", "uid"] as const)
    if (!request.pod[field]) throw wrong(`pod.${field}`, "is empty");
  if (!Number.isFinite(Date.parse(request.pod.creationTimestamp)))
    throw wrong("pod.creationTimestamp", `"${request.pod.creationTimestamp}" is not a time`);
  if (request.families.length === 0) throw wrong("families", "names no address family");
  if (request.vm && (!request.vm.name || !request.vm.vmiUid)) throw wrong("vm", "needs name and vmiUid");
  const addresses = new Map<Family, string>();
  for (const [i, text] of (request.addresses ?? []).entries()) {
    const field = `addresses[${i}]`;
    const address = parseAddress(text);
    if (!address) throw new IpamError("AddressInvalid", `"${text}" is not an IP address`, { object, field });
    if (addresses.has(address.family))
      throw new IpamError("AddressInvalid", `${text} is a second IPv${address.family} address`, {
        object,
        field,
      });
    addresses.set(address.family, text);
  }
  return addresses;
}

/** The families a request is about: those it names and those of its static addresses. */
export function familiesOf(request: WorkloadRequest, addresses: ReadonlyMap<Family, string>): Family[] {
  if (addresses.size > 0) return [...addresses.keys()].sort();
  return [...new Set(request.families)].sort();
}

/** How a pod is recorded as owner. */
export function ownerRecord(
  { pod, node, vm, containerId }: WorkloadRequest,
  now: Date,
  asVm: boolean,
): Attributes {
  const plain = {
    [attribute.pod]: pod.name,
    [attribute.namespace]: pod.namespace,
    [attribute.node]: node,
    [attribute.timestamp]: formatTimestamp(now),
    [attribute.podUid]: pod.uid,
    [attribute.podCreated]: pod.creationTimestamp,
    [attribute.container]: containerId,
  };
  if (!vm || !asVm) return plain;
  return {
    ...plain,
    [attribute.vmiName]: vm.name,
    [attribute.vmiUid]: vm.vmiUid,
    ...(vm.vmUid ? { [attribute.vmUid]: vm.vmUid } : {}),
    ...(vm.role === "target" && vm.migrationUid ? { [attribute.migrationUid]: vm.migrationUid } : {}),
  };
}

/** How a pod is recorded of which only this is known: that the guest runs in it. */
export function recordOf({ pod, vm, node, containerId }: PromoteRequest, now: Date): Attributes {
  return {
    [attribute.pod]: pod.name,
    [attribute.namespace]: pod.namespace,
    ...(node ? { [attribute.node]: node } : {}),
    [attribute.timestamp]: formatTimestamp(now),
    ...(pod.uid ? { [attribute.podUid]: pod.uid } : {}),
    ...(containerId ? { [attribute.container]: containerId } : {}),
    [attribute.vmiName]: vm.name,
    ...(vm.vmiUid ? { [attribute.vmiUid]: vm.vmiUid } : {}),
    ...(vm.vmUid ? { [attribute.vmUid]: vm.vmUid } : {}),
  };
}
