import { z } from "zod";
import { duration } from "./duration.ts";
import { object } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const enabled = z.enum(["Enabled", "Disabled"]);
const reconciled = object({ reconcilerPeriod: duration.default("5m") });

const spec = object({
  logSeverityScreen: z.string().default("Info"),
  healthChecks: enabled.default("Enabled"),
  prometheusMetricsPort: z.int().min(0).max(65535).default(9094),
  etcdV3CompactionPeriod: duration.default("10m"),
  debugProfilePort: z.int().min(0).max(65535).optional(),
  controllers: object({
    node: object({
      reconcilerPeriod: duration.default("5m"),
      syncLabels: enabled.default("Enabled"),
      /** How long an address must look unused before it is freed. 0s turns the collection of pods' addresses off. */
      leakGracePeriod: duration.default("15m"),
      hostEndpoint: object({ autoCreate: enabled.default("Disabled") }).optional(),
    }).optional(),
    policy: reconciled.optional(),
    workloadEndpoint: reconciled.optional(),
    serviceAccount: reconciled.optional(),
    namespace: reconciled.optional(),
    loadBalancer: object({
      assignIPs: z.enum(["AllServices", "RequestedServicesOnly"]).default("AllServices"),
    }).optional(),
  }).prefault({}),
});

const status = object({
  environmentVars: z.record(z.string(), z.string()).optional(),
  runningConfig: z.record(z.string(), z.unknown()).optional(),
});

/** Settings of the cluster's controller, one object called `default`. */
export interface KubeControllersConfiguration extends Resource<typeof spec, typeof status> {}

export const KubeControllersConfiguration = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "KubeControllersConfiguration",
  plural: "kubecontrollersconfigurations",
  shortNames: ["kcc"],
  namespaced: false,
  description: "Settings of the cluster's controller.",
  onlyNames: ["default"],
  keepsUnknownFields: true,
  spec,
  status,
});
