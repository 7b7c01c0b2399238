import type { Attributes } from "./resources.ts";

/**
 * Keys of an owner's attributes. The first block is the incumbent's; the second is ours, and no harm to it: attributes are a free map.
 */
export const attribute = {
  pod: "pod",
  namespace: "namespace",
  node: "node",
  timestamp: "timestamp",
  type: "type",
  vmiName: "vmi-name",
  vmiUid: "vmi-uid",
  vmUid: "vm-uid",
  migrationUid: "vmim-uid",

  podUid: "pod-uid",
  podCreated: "pod-created",
  /** ID of the sandbox for which the pod is recorded: a DEL of another one of the pod's sandboxes clears nothing. */
  container: "container",
  /** `resourceVersion` of the VMI on whose word the owners of the address were decided last. */
  vmiRevision: "vmi-revision",
} as const;

/** Annotations of a VM's IPAMHandle object: what must outlive the owners. */
export const handleAnnotation = {
  namespace: "ipam.fairlead.dev/namespace",
  vmName: "ipam.fairlead.dev/vm-name",
  vmUid: "ipam.fairlead.dev/vm-uid",
  vmiUid: "ipam.fairlead.dev/vmi-uid",
  mac: "ipam.fairlead.dev/mac",
  mtu: "ipam.fairlead.dev/mtu",
  /** Marks the last write, so that one whose answer was lost is known again. */
  write: "ipam.fairlead.dev/write",
} as const;

/** Type attribute of the tunnel addresses. */
export const tunnelTypes: ReadonlySet<string> = new Set([
  "ipipTunnelAddress",
  "vxlanTunnelAddress",
  "vxlanV6TunnelAddress",
  "wireguardTunnelAddress",
  "wireguardV6TunnelAddress",
]);

export const windowsReservedHandle = "windows-reserved-ipam-handle";

/** An absent owner is stored as an absent, null or empty map. */
export const isEmptyOwner = (owner: Attributes | null | undefined): boolean =>
  !owner || Object.keys(owner).length === 0;
