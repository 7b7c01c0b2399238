import { z } from "zod";
import { object, wrong } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const spec = object({
  /** Nodes take addresses only from their own blocks. */
  strictAffinity: z.boolean().default(false),
  /** A node may claim blocks by itself. */
  autoAllocateBlocks: z.boolean().default(true),
  /** 0 stands for the built-in limit of 20. */
  maxBlocksPerHost: z.int().min(0).max(1_000_000).default(0),
  /** Whether a VM keeps its address when its pod is replaced. Live migration needs it. */
  kubeVirtVMAddressPersistence: z.enum(["Enabled", "Disabled"]).default("Enabled"),
  /** Seconds for which a released address rests before it is given out again. */
  ipCooldownSeconds: z.int().min(0).max(1200).default(0),
}).refine(({ strictAffinity, autoAllocateBlocks }) => strictAffinity || autoAllocateBlocks, {
  path: ["autoAllocateBlocks"],
  ...wrong(
    "nodes that may claim no blocks would borrow every address",
    "Set autoAllocateBlocks or strictAffinity to true.",
  ),
});

/** Cluster-wide settings of address management. */
export interface IPAMConfiguration extends Resource<typeof spec> {}

export const IPAMConfiguration = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "IPAMConfiguration",
  plural: "ipamconfigurations",
  shortNames: ["ipamconfig"],
  namespaced: false,
  description: "Cluster-wide settings of address management.",
  onlyNames: ["default"],
  rules: [
    {
      rule: "self.spec.strictAffinity || self.spec.autoAllocateBlocks",
      message: "Cannot disable 'StrictAffinity' and 'AutoAllocateBlocks' at the same time",
    },
  ],
  spec,
});
