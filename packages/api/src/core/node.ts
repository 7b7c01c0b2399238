import type { Condition, KubernetesObject } from "../object.ts";

/**
 * v1 Node. There is no stored `projectcalico.org` Node: BGP address, AS number, tunnel addresses and route-reflector
 * cluster ID are annotations of this object (`nodeAnnotations`), its labels are this object's labels.
 */
export interface Node extends KubernetesObject {
  spec?: {
    podCIDR?: string;
    podCIDRs?: string[];
    providerID?: string;
    unschedulable?: boolean;
    taints?: { key: string; value?: string; effect: string; timeAdded?: string }[];
  };
  status?: {
    addresses?: NodeAddress[];
    conditions?: Condition[];
    [field: string]: unknown;
  };
}

/** An address or name by which a node is known. */
export interface NodeAddress {
  type: "InternalIP" | "ExternalIP" | "Hostname" | "InternalDNS" | "ExternalDNS";
  address: string;
}

/** Annotations in which a node's network facts are kept. */
export const nodeAnnotations = {
  /** Address with prefix length, `192.0.2.10/24`. */
  bgpIPv4: "projectcalico.org/IPv4Address",
  bgpIPv6: "projectcalico.org/IPv6Address",
  asNumber: "projectcalico.org/ASNumber",
  routeReflectorClusterID: "projectcalico.org/RouteReflectorClusterID",
  ipipTunnelAddress: "projectcalico.org/IPv4IPIPTunnelAddr",
  vxlanTunnelAddress: "projectcalico.org/IPv4VXLANTunnelAddr",
  vxlanTunnelAddressV6: "projectcalico.org/IPv6VXLANTunnelAddr",
  interfaces: "projectcalico.org/Interfaces",
} as const;
