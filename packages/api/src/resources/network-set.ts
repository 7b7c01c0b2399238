import { z } from "zod";
import { network, object } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const spec = object({ nets: z.array(network).default([]) });

/** Networks that selectors find by the set's labels, within its namespace. */
export interface NetworkSet extends Resource<typeof spec> {}
/** The same for all namespaces. */
export interface GlobalNetworkSet extends Resource<typeof spec> {}

export const NetworkSet = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "NetworkSet",
  plural: "networksets",
  shortNames: ["netset"],
  description: "Networks that the selectors of policies find by the labels of the set.",
  spec,
});

export const GlobalNetworkSet = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "GlobalNetworkSet",
  plural: "globalnetworksets",
  shortNames: ["gns"],
  namespaced: false,
  description: "Networks that the selectors of policies in any namespace find by the labels of the set.",
  spec,
});
