import { z } from "zod";
import { duration } from "./duration.ts";
import { address, network, object, priority } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const failsafePort = object({
  protocol: z
    .string()
    .transform((name) => name.toUpperCase())
    .pipe(z.enum(["TCP", "UDP", "SCTP"]))
    .meta({ type: "string" }),
  port: z.int().min(0).max(65535),
  /** Only from or to this network. */
  net: network.optional(),
});

const tcp = (port: number) => ({ protocol: "TCP" as const, port });
const udp = (port: number) => ({ protocol: "UDP" as const, port });
const controlPlane = [tcp(179), tcp(2379), tcp(2380), tcp(5473), tcp(6443), tcp(6666), tcp(6667)];

/** What a host endpoint always lets in, so that a wrong policy cannot lock the host away. */
export const failsafeInbound = [tcp(22), udp(68), ...controlPlane];
/** What a host endpoint always lets out: DHCP, DNS and the control plane. */
export const failsafeOutbound = [udp(53), udp(67), ...controlPlane];

const port = z.int().min(1).max(65535);
const enabled = z.enum(["Enabled", "Disabled"]);

const spec = object({
  interfacePrefix: z.string().default("cali"),
  defaultEndpointToHostAction: z
    .enum(["Drop", "Return", "Accept", "RETURN", "ACCEPT", "DROP"])
    .default("Drop"),
  failsafeInboundHostPorts: z.array(failsafePort).default(failsafeInbound),
  failsafeOutboundHostPorts: z.array(failsafePort).default(failsafeOutbound),
  nftablesMode: z.enum(["Auto", "Enabled", "Disabled"]).default("Auto"),
  nftablesFilterAllowAction: z.enum(["Accept", "Return"]).default("Accept"),
  nftablesFilterDenyAction: z.enum(["Drop", "Reject"]).default("Drop"),
  nftablesMarkMask: z
    .int()
    .min(1)
    .max(4294967295)
    .default(0xffff0000)
    .meta({ type: "integer", format: "int64" }),
  nftablesRefreshInterval: duration.default("180s"),
  disableConntrackInvalidCheck: z.boolean().default(false),
  allowVXLANPacketsFromWorkloads: z.boolean().default(false),
  allowIPIPPacketsFromWorkloads: z.boolean().default(false),
  workloadSourceSpoofing: z.enum(["Disabled", "Any"]).default("Disabled"),
  serviceLoopPrevention: z.enum(["Drop", "Reject", "Disabled"]).default("Drop"),
  natOutgoingAddress: address.optional(),
  natOutgoingExclusions: z.enum(["IPPoolsOnly", "IPPoolsAndHostIPs"]).default("IPPoolsOnly"),
  natPortRange: z.union([z.string(), z.int()]).meta({ "x-kubernetes-int-or-string": true }).optional(),
  /** Route metrics, per family: what workload routes carry, and what they carry where a VM has just arrived. */
  ipv4NormalRoutePriority: priority.default(1024),
  ipv4ElevatedRoutePriority: priority.default(512),
  ipv6NormalRoutePriority: priority.default(1024),
  ipv6ElevatedRoutePriority: priority.default(512),
  /** How long routes stay elevated after a migration. */
  liveMigrationRouteConvergenceTime: duration.default("30s"),
  deviceRouteProtocol: z.int().min(1).max(255).default(80),
  removeExternalRoutes: z.boolean().default(true),
  routeRefreshInterval: duration.default("90s"),
  endpointStatusPathPrefix: z.string().default("/var/run/calico"),
  programClusterRoutes: z.enum(["Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly"]).optional(),
  localSubnetL2Reachability: z.enum(["Disabled", "PodsAndLoadBalancers"]).default("Disabled"),
  floatingIPs: enabled.default("Disabled"),
  healthEnabled: z.boolean().default(false),
  healthHost: z.string().default("localhost"),
  healthPort: port.default(9099),
  prometheusMetricsEnabled: z.boolean().default(false),
  prometheusMetricsHost: z.string().optional(),
  prometheusMetricsPort: port.default(9091),
  logSeverityScreen: z.string().default("Info"),
  mtuIfacePattern: z.string().optional(),
  vxlanPort: port.default(4789),
  vxlanVNI: z.int().min(1).max(16777215).default(4096),
  bpfEnabled: z.boolean().default(false),
  wireguardEnabled: z.boolean().default(false),
}).superRefine((felix, context) => {
  for (const family of ["ipv4", "ipv6"] as const) {
    const normal = felix[`${family}NormalRoutePriority`];
    if (felix[`${family}ElevatedRoutePriority`] < normal) continue;
    context.addIssue({
      code: "custom",
      path: [`${family}ElevatedRoutePriority`],
      message: `is not better than ${family}NormalRoutePriority (${normal})`,
      params: { remedy: "A lower number is a better route: write one below the normal priority." },
      input: felix,
    });
  }
});

/** Settings of the node agents: `default` for all, `node.<name>` for one. Fields it does not name are kept. */
export interface FelixConfiguration extends Resource<typeof spec> {}

export const FelixConfiguration = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "FelixConfiguration",
  plural: "felixconfigurations",
  shortNames: ["felixconfig"],
  namespaced: false,
  description: "Settings of the node agents: default for all, node.<name> for one.",
  keepsUnknownFields: true,
  rules: ["ipv4", "ipv6"].map((family) => ({
    rule: `self.spec.${family}ElevatedRoutePriority < self.spec.${family}NormalRoutePriority`,
    message: `${family}ElevatedRoutePriority must be below ${family}NormalRoutePriority: a lower number is a better route`,
  })),
  spec,
});
