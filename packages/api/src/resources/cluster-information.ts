import { z } from "zod";
import { object } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const spec = object({
  clusterGUID: z.string().optional(),
  clusterType: z.string().optional(),
  calicoVersion: z.string().optional(),
  cnxVersion: z.string().optional(),
  variant: z.string().optional(),
  /** False while the data is being migrated: nothing may be wired. */
  datastoreReady: z.boolean().optional(),
});

/** Facts about the cluster, one object called `default`. */
export interface ClusterInformation extends Resource<typeof spec> {}

export const ClusterInformation = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "ClusterInformation",
  plural: "clusterinformations",
  shortNames: ["clusterinfo"],
  namespaced: false,
  description: "Facts about the cluster.",
  onlyNames: ["default"],
  spec,
});
