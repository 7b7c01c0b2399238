import type { Condition, KubernetesObject } from "../object.ts";

/** v1 Pod, the fields a network reads. */
export interface Pod extends KubernetesObject {
  spec: PodSpec;
  status?: PodStatus;
}

/** What a pod asks for. `hostNetwork` pods are no business of a CNI plug-in. */
export interface PodSpec {
  nodeName?: string;
  hostNetwork?: boolean;
  hostname?: string;
  subdomain?: string;
  serviceAccountName?: string;
  restartPolicy?: "Always" | "OnFailure" | "Never";
  terminationGracePeriodSeconds?: number;
  containers: Container[];
  initContainers?: Container[];
  nodeSelector?: Record<string, string>;
  readinessGates?: { conditionType: string }[];
  [field: string]: unknown;
}

/** A container of a pod, as far as a network looks at it. */
export interface Container {
  name: string;
  image?: string;
  command?: string[];
  args?: string[];
  ports?: ContainerPort[];
  [field: string]: unknown;
}

/** A named port of a container; policies may refer to the name. */
export interface ContainerPort {
  name?: string;
  containerPort: number;
  hostPort?: number;
  hostIP?: string;
  protocol?: "TCP" | "UDP" | "SCTP";
}

/** `Succeeded` and `Failed` are final: the pod's addresses are free. */
export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";

/** What kubelet reports of a pod. `podIPs` holds one address per family. */
export interface PodStatus {
  phase?: PodPhase;
  podIP?: string;
  podIPs?: { ip: string }[];
  hostIP?: string;
  hostIPs?: { ip: string }[];
  reason?: string;
  message?: string;
  startTime?: string;
  conditions?: Condition[];
  containerStatuses?: {
    name: string;
    ready: boolean;
    started?: boolean;
    restartCount?: number;
    state?: Record<string, unknown>;
    [field: string]: unknown;
  }[];
}
