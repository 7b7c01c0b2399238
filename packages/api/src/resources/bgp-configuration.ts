import { z } from "zod";
import { duration } from "./duration.ts";
import { address, asNumber, cidr, network, object, priority, wrong } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

/** `aa:nn` (standard) or `aa:nn:mm` (large). */
export const community = z
  .string()
  .refine(
    isCommunity,
    wrong("not a BGP community", "Write aa:nn with numbers up to 65535, or aa:nn:mm up to 4294967295."),
  );

function isCommunity(text: string): boolean {
  const parts = text.split(":");
  const limit = parts.length === 2 ? 65535 : 4294967295;
  return (
    (parts.length === 2 || parts.length === 3) &&
    parts.every((part) => /^\d{1,10}$/.test(part) && Number(part) <= limit)
  );
}

export const secretKeyRef = object({
  secretKeyRef: object({ name: z.string(), key: z.string(), optional: z.boolean().optional() }),
});

const spec = object({
  logSeverityScreen: z.string().default("Info"),
  nodeToNodeMeshEnabled: z.boolean().default(true),
  asNumber: asNumber.default(64512),
  listenPort: z.int().min(1).max(65535).default(179),
  bindMode: z.enum(["None", "NodeIP"]).default("None"),
  serviceClusterIPs: z.array(object({ cidr })).optional(),
  serviceExternalIPs: z.array(object({ cidr })).optional(),
  serviceLoadBalancerIPs: z.array(object({ cidr })).optional(),
  serviceLoadBalancerAggregation: z.enum(["Enabled", "Disabled"]).default("Enabled"),
  communities: z.array(object({ name: z.string(), value: community })).optional(),
  prefixAdvertisements: z.array(object({ cidr, communities: z.array(z.string()) })).optional(),
  nodeMeshPassword: secretKeyRef.optional(),
  nodeMeshMaxRestartTime: duration.optional(),
  ignoredInterfaces: z.array(z.string()).optional(),
  localWorkloadPeeringIPV4: address.optional(),
  localWorkloadPeeringIPV6: address.optional(),
  programClusterRoutes: z.enum(["Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly"]).optional(),
  /** Must equal the node agents' normal priorities: routes better than these escape aggregation. */
  ipv4NormalRoutePriority: priority.default(1024),
  ipv6NormalRoutePriority: priority.default(1024),
});

/** Settings of BGP: `default` for all nodes, `node.<name>` for one. */
export interface BGPConfiguration extends Resource<typeof spec> {}

export const BGPConfiguration = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "BGPConfiguration",
  plural: "bgpconfigurations",
  shortNames: ["bgpconfig"],
  namespaced: false,
  description: "Settings of BGP: default for all nodes, node.<name> for one.",
  spec,
});

const peerSpec = object({
  node: z.string().optional(),
  nodeSelector: z.string().optional(),
  /** Address, `address:port` or `[v6]:port`. */
  peerIP: z.string().optional(),
  asNumber: asNumber.optional(),
  peerSelector: z.string().optional(),
  localASNumber: asNumber.optional(),
  nextHopMode: z.enum(["Auto", "Self", "Keep"]).optional(),
  /** Deprecated: nextHopMode Keep. */
  keepOriginalNextHop: z.boolean().optional(),
  password: secretKeyRef.optional(),
  sourceAddress: z.enum(["UseNodeIP", "None"]).default("UseNodeIP"),
  maxRestartTime: duration.optional(),
  keepaliveTime: duration.optional(),
  numAllowedLocalASNumbers: z.int().min(0).optional(),
  ttlSecurity: z.int().min(0).max(255).optional(),
  reachableBy: address.optional(),
  filters: z.array(z.string()).optional(),
  localWorkloadSelector: z.string().optional(),
  reversePeering: z.enum(["Auto", "Manual"]).optional(),
})
  .refine(({ node, nodeSelector }) => !(node && nodeSelector), {
    path: ["nodeSelector"],
    ...wrong("node and nodeSelector exclude each other", "Keep one of them."),
  })
  .refine(({ peerIP, peerSelector }) => !(peerIP && peerSelector), {
    path: ["peerSelector"],
    ...wrong("peerIP and peerSelector exclude each other", "Keep one of them."),
  })
  .refine(({ peerIP, asNumber }) => !peerIP || asNumber !== undefined, {
    path: ["asNumber"],
    ...wrong("a peer address needs its AS number", "Set asNumber."),
  })
  .refine(({ peerIP }) => !peerIP || isPeer(peerIP), {
    path: ["peerIP"],
    ...wrong("not a peer address", "Write an address, address:port or [IPv6 address]:port."),
  });

function isPeer(text: string): boolean {
  const [, bracketed, v4, bare] = /^(?:\[([^\]]+)\]:\d{1,5}|([\d.]+):\d{1,5}|(.+))$/.exec(text) ?? [];
  return address.safeParse(bracketed ?? v4 ?? bare).success;
}

/** A BGP neighbour of some nodes. */
export interface BGPPeer extends Resource<typeof peerSpec> {}

export const BGPPeer = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "BGPPeer",
  plural: "bgppeers",
  namespaced: false,
  description: "A BGP neighbour of some nodes.",
  spec: peerSpec,
  columns: [
    { name: "Peer", type: "string", jsonPath: ".spec.peerIP" },
    { name: "AS", type: "integer", jsonPath: ".spec.asNumber" },
  ],
});

const prefixLength = (max: number) =>
  object({ min: z.int().min(0).max(max).optional(), max: z.int().min(0).max(max).optional() });

const operation = object({
  addCommunity: object({ value: community }).optional(),
  prependASPath: object({ prefix: z.array(asNumber).min(1).max(10) }).optional(),
  setPriority: object({ value: priority }).optional(),
}).refine(
  (one) =>
    [one.addCommunity, one.prependASPath, one.setPriority].filter((part) => part !== undefined).length === 1,
  wrong(
    "needs exactly one of addCommunity, prependASPath and setPriority",
    "Write one operation per list entry.",
  ),
);

const filterRule = (family: 4 | 6) =>
  object({
    cidr: network.optional(),
    matchOperator: z.enum(["Equal", "NotEqual", "In", "NotIn"]).optional(),
    prefixLength: prefixLength(family === 4 ? 32 : 128).optional(),
    source: z.enum(["RemotePeers"]).optional(),
    interface: z.string().optional(),
    peerType: z.enum(["eBGP", "iBGP"]).optional(),
    communities: object({ values: z.array(community).length(1) }).optional(),
    asPathPrefix: z.array(asNumber).optional(),
    priority: priority.optional(),
    action: z.enum(["Accept", "Reject"]),
    operations: z.array(operation).min(1).max(10).optional(),
  })
    .refine(({ cidr, matchOperator }) => (cidr === undefined) === (matchOperator === undefined), {
      path: ["matchOperator"],
      ...wrong("cidr and matchOperator belong together", "Write both or neither."),
    })
    .refine(({ cidr, prefixLength }) => prefixLength === undefined || cidr !== undefined, {
      path: ["prefixLength"],
      ...wrong("belongs to a cidr", "Write cidr and matchOperator too."),
    })
    .refine(({ cidr }) => cidr === undefined || cidr.includes(":") === (family === 6), {
      path: ["cidr"],
      ...wrong(`is not IPv${family}`, `Put it into the list for the other family.`),
    })
    .refine(({ action, operations }) => operations === undefined || action === "Accept", {
      path: ["operations"],
      ...wrong("only accepted routes can be changed", "Set action to Accept."),
    });

const filterSpec = object({
  exportV4: z.array(filterRule(4)).optional(),
  importV4: z.array(filterRule(4)).optional(),
  exportV6: z.array(filterRule(6)).optional(),
  importV6: z.array(filterRule(6)).optional(),
});

/** What passes to and from a neighbour. The first rule that matches decides. */
export interface BGPFilter extends Resource<typeof filterSpec> {}
/** One rule of a BGPFilter, for one family and direction. */
export type BGPFilterRule = z.output<ReturnType<typeof filterRule>>;
/** What an accepting rule changes on a route. */
export type BGPFilterOperation = z.output<typeof operation>;

export const BGPFilter = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "BGPFilter",
  plural: "bgpfilters",
  namespaced: false,
  description: "What passes to and from a BGP neighbour.",
  spec: filterSpec,
});
