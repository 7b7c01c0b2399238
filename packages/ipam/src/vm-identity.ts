import { parseAddress } from "./address.ts";
import { attribute, handleAnnotation } from "./attributes.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { findNamedPools } from "./pool.ts";
import type { Attributes, Family } from "./resources.ts";
import type { Settings } from "./settings.ts";
import type { VmState } from "./vm-state.ts";
import type { VmIdentity, WorkloadRequest } from "./workload-types.ts";

/** UIDs as a record or a handle has them. */
export interface KnownUids {
  readonly vmUid: string | undefined;
  readonly vmiUid: string | undefined;
}

export const uidsOfRecord = (record: Attributes): KnownUids => ({
  vmUid: record[attribute.vmUid],
  vmiUid: record[attribute.vmiUid],
});

export const uidsOfHandle = ({ object }: Pick<VmState, "object">): KnownUids => ({
  vmUid: object?.metadata.annotations?.[handleAnnotation.vmUid],
  vmiUid: object?.metadata.annotations?.[handleAnnotation.vmiUid],
});

/**
 * Whether a record is of the same VM: by the VirtualMachine's UID, or by the VMI's where no VirtualMachine owns it. Undefined
 * when the record does not say.
 */
export function sameIdentity(vm: Omit<VmIdentity, "name">, known: KnownUids): boolean | undefined {
  if (known.vmiUid !== undefined && known.vmiUid === vm.vmiUid) return true;
  if (known.vmUid !== undefined) return known.vmUid === vm.vmUid;
  return known.vmiUid === undefined ? undefined : false;
}

/**
 * Whether the VM of these UIDs still exists, live: a stopped VM keeps its address, whoever else bears its name. Without facts
 * nobody can say that it does not.
 */
export async function exists(
  { facts }: Pick<Engine, "facts">,
  namespace: string,
  name: string,
  { vmUid, vmiUid }: KnownUids,
): Promise<boolean> {
  if (!facts) return true;
  if (vmUid !== undefined) return (await facts.vm(namespace, name))?.uid === vmUid;
  return vmiUid !== undefined && (await facts.vmi(namespace, name))?.uid === vmiUid;
}

/**
 * Handles are made of joined text. One that turns out to be another VM's is nobody's key.
 * @throws IpamError HandleCollision
 */
export function checkHandleIsOf(
  handle: string,
  { object, held }: VmState,
  namespace: string,
  name: string,
): void {
  const { [handleAnnotation.namespace]: namespaceKept, [handleAnnotation.vmName]: nameKept } =
    object?.metadata.annotations ?? {};
  const owners = held.flatMap(({ owners: { active, alternate } }) => [active, alternate]);
  const records = owners.flatMap((owner) =>
    owner ? [[owner[attribute.namespace], owner[attribute.vmiName]] as const] : [],
  );
  for (const [of, called] of [[namespaceKept, nameKept] as const, ...records])
    if ((of ?? namespace) !== namespace || (called ?? name) !== name)
      throw new IpamError(
        "HandleCollision",
        `handle ${handle} is of VM ${of}/${called}, not of ${namespace}/${name}`,
        {
          object: `handle ${handle}`,
        },
      );
}

/**
 * What is kept with the VM's handle. A MAC once given stays until another one is given, an MTU until the VM starts anew. The
 * VMI's UID is that of one run, so it is kept only where no VirtualMachine tells who the VM is.
 */
export function identityAnnotations({ vm, pod, mac, mtu }: WorkloadRequest): Record<string, string> {
  if (!vm) return {};
  return {
    [handleAnnotation.namespace]: pod.namespace,
    [handleAnnotation.vmName]: vm.name,
    ...(vm.vmUid ? { [handleAnnotation.vmUid]: vm.vmUid } : { [handleAnnotation.vmiUid]: vm.vmiUid }),
    ...(mac ? { [handleAnnotation.mac]: mac } : {}),
    ...(mtu ? { [handleAnnotation.mtu]: String(mtu) } : {}),
  };
}

/** The MTU kept with the VM's handle, bytes; undefined when there is none that an interface could have. */
export function rememberedMtu({ object }: Pick<VmState, "object">): number | undefined {
  const text = object?.metadata.annotations?.[handleAnnotation.mtu] ?? "";
  return /^[1-9]\d{1,4}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}

/** The annotations of a handle with these in their place; undefined when they are there already. */
export function withIdentity(
  known: Readonly<Record<string, string>> | undefined,
  identity: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | undefined {
  const isNew = Object.entries(identity).some(([key, value]) => known?.[key] !== value);
  if (!isNew) return undefined;
  // A UID of the kind that does not identify this VM is of an earlier one.
  const { [handleAnnotation.vmUid]: _, [handleAnnotation.vmiUid]: __, ...others } = known ?? {};
  return { ...others, ...identity };
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
