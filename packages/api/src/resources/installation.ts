import { z } from "zod";
import { asNumber, cidr, object } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";
import { selector } from "./selector-field.ts";

const switched = z.enum(["Enabled", "Disabled"]);

const ipPool = object({
  name: z.string().optional(),
  cidr,
  encapsulation: z.enum(["None", "IPIP", "IPIPCrossSubnet", "VXLAN", "VXLANCrossSubnet"]).default("None"),
  natOutgoing: switched.default("Enabled"),
  nodeSelector: selector.default("all()"),
  namespaceSelector: selector.optional(),
  blockSize: z.int().min(20).max(128).optional(),
  disableBGPExport: z.boolean().default(false),
  disableNewAllocations: z.boolean().default(false),
  allowedUses: z.array(z.enum(["Workload", "Tunnel", "LoadBalancer"])).optional(),
  assignmentMode: z.enum(["Automatic", "Manual"]).default("Automatic"),
});

const autodetection = object({
  firstFound: z.boolean().optional(),
  kubernetes: z.enum(["NodeInternalIP"]).optional(),
  interface: z.string().optional(),
  skipInterface: z.string().optional(),
  canReach: z.string().optional(),
  cidrs: z.array(cidr).optional(),
});

const calicoNetwork = object({
  bgp: switched.default("Enabled"),
  ipPools: z.array(ipPool).max(25).optional(),
  mtu: z.int().min(0).optional(),
  hostPorts: switched.default("Enabled"),
  multiInterfaceMode: z.enum(["None", "Multus"]).default("None"),
  containerIPForwarding: switched.default("Disabled"),
  linuxDataplane: z.enum(["Iptables", "BPF", "VPP", "Nftables"]).default("Nftables"),
  /** Seconds for which the CNI plug-in waits until the policy of a new workload is in force. */
  linuxPolicySetupTimeoutSeconds: z.int().min(0).default(0),
  clusterRoutingMode: z.enum(["BIRD", "Felix", "FelixIPIPOnly"]).optional(),
  nodeAddressAutodetectionV4: autodetection.optional(),
  nodeAddressAutodetectionV6: autodetection.optional(),
  asNumber: asNumber.optional(),
});

const spec = object({
  variant: z.string().default("Calico"),
  registry: z.string().optional(),
  imagePath: z.string().optional(),
  imagePrefix: z.string().optional(),
  imagePullSecrets: z.array(object({ name: z.string() })).optional(),
  kubernetesProvider: z.string().optional(),
  cni: object({
    type: z.string().default("Calico"),
    ipam: object({ type: z.string() }).optional(),
  }).optional(),
  calicoNetwork: calicoNetwork.optional(),
});

const status = object({
  variant: z.string().optional(),
  mtu: z.int().optional(),
  conditions: z
    .array(
      object({
        type: z.string(),
        status: z.string(),
        reason: z.string().optional(),
        message: z.string().optional(),
      }),
    )
    .optional(),
});

/** What the operator should set up. Pools are made from it: do not change an IPPool that it manages. */
export interface Installation extends Resource<typeof spec, typeof status> {}

export const Installation = defineResource({
  group: "operator.tigera.io",
  version: "v1",
  kind: "Installation",
  plural: "installations",
  namespaced: false,
  description: "What to install in this cluster, and its pools.",
  keepsUnknownFields: true,
  spec,
  status,
});
