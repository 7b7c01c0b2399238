/** A pod as the cluster knows it now. */
export interface PodFact {
  readonly uid: string;
  readonly node: string | undefined;
  readonly phase: string;
  /** `Evicted` and the like. */
  readonly reason?: string | undefined;
  readonly hostNetwork?: boolean;
  /** Addresses in its status; empty while none is reported. */
  readonly addresses: readonly string[];
  readonly deleting: boolean;
}

/** A VirtualMachine that exists. */
export interface VmFact {
  readonly uid: string;
  readonly deleting: boolean;
}

/** A VirtualMachineInstance that exists. */
export interface VmiFact extends VmFact {
  /** UID of the VirtualMachine that owns it; undefined for a standalone instance. */
  readonly ownerUid: string | undefined;
  /** Name of the pod in which KubeVirt says the guest runs; undefined when it does not say. */
  readonly guestPod?: string | undefined;
  /** UIDs of the pods that KubeVirt lists as the VM's. Absent: not known. */
  readonly activePods?: readonly string[] | undefined;
  /** `metadata.resourceVersion`; orders what was said of the VM. */
  readonly revision?: string | undefined;
}

/** A Node that exists. */
export interface NodeFact {
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * What the rest of the cluster says, read live. Undefined means: it does not exist. A lookup that fails must throw; nothing is ever
 * released on a guess.
 */
export interface ClusterFacts {
  pod(namespace: string, name: string): Promise<PodFact | undefined>;
  vm(namespace: string, name: string): Promise<VmFact | undefined>;
  vmi(namespace: string, name: string): Promise<VmiFact | undefined>;
  node(name: string): Promise<NodeFact | undefined>;
}
