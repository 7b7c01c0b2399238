import { z } from "zod";
import { address, object, wrong } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";
import { protocol } from "./rule.ts";

const spec = object({
  node: z.string().min(1),
  /** `*` stands for all interfaces of the host. */
  interfaceName: z.string().optional(),
  expectedIPs: z.array(address).optional(),
  profiles: z.array(z.string()).optional(),
  ports: z.array(object({ name: z.string(), protocol, port: z.int().min(1).max(65535) })).optional(),
}).refine(({ interfaceName, expectedIPs }) => Boolean(interfaceName) || (expectedIPs?.length ?? 0) > 0, {
  path: ["interfaceName"],
  ...wrong("nothing says which interface is meant", "Set interfaceName or expectedIPs."),
});

/** An interface of a host, or all of them, as something policies apply to. */
export interface HostEndpoint extends Resource<typeof spec> {}

export const HostEndpoint = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "HostEndpoint",
  plural: "hostendpoints",
  shortNames: ["hep"],
  namespaced: false,
  description: "An interface of a host, or all of them, to which policies apply.",
  spec,
  columns: [
    { name: "Node", type: "string", jsonPath: ".spec.node" },
    { name: "Interface", type: "string", jsonPath: ".spec.interfaceName" },
  ],
});
