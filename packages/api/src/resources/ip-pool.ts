import { z } from "zod";
import { cidr, isIPv4, object, time, wrong } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";
import { selector } from "./selector-field.ts";

export const encapsulation = z.enum(["Never", "Always", "CrossSubnet"]);

const spec = object({
  cidr,
  vxlanMode: encapsulation.default("Never"),
  ipipMode: encapsulation.default("Never"),
  natOutgoing: z.boolean().default(false),
  disabled: z.boolean().default(false),
  disableBGPExport: z.boolean().default(false),
  /** Prefix length of the pool's blocks. Filled in by family: 26 or 122. */
  blockSize: z.int().min(20).max(128).optional(),
  nodeSelector: selector.default("all()"),
  namespaceSelector: selector.default(""),
  allowedUses: z
    .array(z.enum(["Workload", "Tunnel", "LoadBalancer"]))
    .max(3)
    .default(["Workload", "Tunnel"]),
  assignmentMode: z.enum(["Automatic", "Manual"]).default("Automatic"),
})
  .refine(({ cidr, blockSize }) => blockSize === undefined || isBlockSize(cidr, blockSize), {
    path: ["blockSize"],
    ...wrong(
      "does not fit the pool",
      "IPv4: 20 to 32, IPv6: 116 to 128, and not shorter than the pool's own prefix.",
    ),
  })
  .refine(
    ({ cidr }) => isBlockSize(cidr, defaultBlockSize(cidr)) || prefixOf(cidr) > defaultBlockSize(cidr),
    { path: ["cidr"], ...wrong("the pool is smaller than one address", "Write a larger pool.") },
  )
  .refine(({ cidr, ipipMode }) => ipipMode === "Never" || isIPv4(cidr.split("/")[0] ?? ""), {
    path: ["ipipMode"],
    ...wrong("IPIP carries IPv4 only", "Set ipipMode to Never for an IPv6 pool."),
  })
  .refine(({ ipipMode, vxlanMode }) => ipipMode === "Never" || vxlanMode === "Never", {
    path: ["vxlanMode"],
    ...wrong("a pool has one encapsulation", "Set ipipMode or vxlanMode to Never."),
  })
  .refine(
    ({ allowedUses, ipipMode, vxlanMode }) =>
      !allowedUses.includes("LoadBalancer") || (ipipMode === "Never" && vxlanMode === "Never"),
    {
      path: ["allowedUses"],
      ...wrong("load-balancer addresses are not encapsulated", "Set ipipMode and vxlanMode to Never."),
    },
  )
  .transform((pool) => ({
    ...pool,
    blockSize: pool.blockSize ?? Math.max(defaultBlockSize(pool.cidr), prefixOf(pool.cidr)),
  }));

const status = object({
  conditions: z
    .array(
      object({
        type: z.string(),
        status: z.enum(["True", "False", "Unknown"]),
        reason: z.string().optional(),
        message: z.string().optional(),
        lastTransitionTime: time.optional(),
        observedGeneration: z.int().optional(),
      }),
    )
    .optional(),
});

function prefixOf(cidr: string): number {
  return Number(cidr.split("/")[1]);
}

function defaultBlockSize(cidr: string): number {
  return cidr.includes(":") ? 122 : 26;
}

function isBlockSize(cidr: string, size: number): boolean {
  const [low, high] = cidr.includes(":") ? [116, 128] : [20, 32];
  return size >= low && size <= high && size >= prefixOf(cidr);
}

/** A range from which workload addresses are taken. */
export interface IPPool extends Resource<typeof spec, typeof status> {}

export const IPPool = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "IPPool",
  plural: "ippools",
  namespaced: false,
  description: "A range of addresses for workloads, tunnels and load balancers.",
  spec,
  status,
  columns: [
    { name: "CIDR", type: "string", jsonPath: ".spec.cidr" },
    { name: "NAT", type: "boolean", jsonPath: ".spec.natOutgoing" },
    { name: "Disabled", type: "boolean", jsonPath: ".spec.disabled" },
  ],
  rules: [
    { rule: "self.spec.cidr == oldSelf.spec.cidr", message: "cidr is immutable" },
    {
      // Readers fill the field in: writing the pool back may add it.
      rule: "!has(oldSelf.spec.blockSize) || (has(self.spec.blockSize) && self.spec.blockSize == oldSelf.spec.blockSize)",
      message: "blockSize is immutable",
    },
    {
      rule: "self.spec.ipipMode == 'Never' || self.spec.vxlanMode == 'Never'",
      message: "a pool has one encapsulation: set ipipMode or vxlanMode to Never",
    },
  ],
});
