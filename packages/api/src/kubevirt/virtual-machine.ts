import type { Condition, KubernetesObject } from "../object.ts";
import type { VirtualMachineInstanceSpec } from "./virtual-machine-instance.ts";

/** kubevirt.io/v1 VirtualMachine: exists while the machine is off. */
export interface VirtualMachine extends KubernetesObject {
  spec: {
    runStrategy?: "Always" | "RerunOnFailure" | "Manual" | "Halted" | "Once" | "WaitAsReceiver";
    /** Deprecated: true is Always, false is Halted. */
    running?: boolean;
    template?: {
      metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
      spec?: VirtualMachineInstanceSpec;
    };
    [field: string]: unknown;
  };
  status?: {
    created?: boolean;
    ready?: boolean;
    printableStatus?: string;
    conditions?: Condition[];
    stateChangeRequests?: { action: "Start" | "Stop"; uid?: string; data?: Record<string, string> }[];
    [field: string]: unknown;
  };
}

/** kubevirt.io/v1 KubeVirt: one per cluster, says whether KubeVirt is installed. */
export interface KubeVirt extends KubernetesObject {
  spec?: Record<string, unknown>;
  status?: {
    phase?: string;
    observedKubeVirtVersion?: string;
    conditions?: Condition[];
    [field: string]: unknown;
  };
}
