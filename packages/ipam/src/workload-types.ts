import type { Family } from "./resources.ts";

/** The pod a request is made for. `uid` and `creationTimestamp` (RFC 3339) decide who is newer. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly creationTimestamp: string;
}

/** The VM behind a pod, as verified by `@fairlead/kubevirt`. Without `vmUid` it is a VMI that no VirtualMachine owns. */
export interface VmIdentity {
  readonly name: string;
  readonly vmUid?: string | undefined;
  readonly vmiUid: string;
}

/**
 * Where KubeVirt says the guest of a VM runs. Ownership follows it. `revision` orders two such facts: the record of an
 * address remembers the one it was decided on, and an older one never undoes it.
 */
export interface GuestFact {
  /** Name of the pod, in the VM's namespace. Undefined: KubeVirt does not say, as for a VM that never migrated. */
  readonly pod: string | undefined;
  /** `metadata.resourceVersion` of the VMI that says so. */
  readonly revision: string;
}

/** What CNI ADD asks for: addresses for one container of one pod. */
export interface WorkloadRequest {
  /** CNI network name; part of the handle. `""` stands for `k8s-pod-network`. */
  readonly network: string;
  readonly containerId: string;
  readonly node: string;
  readonly nodeLabels?: Readonly<Record<string, string>> | undefined;
  readonly namespaceLabels?: Readonly<Record<string, string>> | undefined;
  readonly pod: PodIdentity;
  readonly vm?:
    | (VmIdentity & {
        /** `target`: the pod carries the label of a migration job. */
        readonly role: "active" | "target";
        readonly migrationUid?: string | undefined;
        /** As the VMI said when the pod's role was found out. */
        readonly guest?: GuestFact | undefined;
      })
    | undefined;
  readonly families: readonly Family[];
  /** Nobody asked for just these families, they follow from the pools: a VM keeps an address of another family that it has. */
  readonly familiesAreImplied?: boolean | undefined;
  /** Pool names or CIDRs. Absent: every pool whose selectors match. */
  readonly pools?:
    | { readonly 4?: readonly string[] | undefined; readonly 6?: readonly string[] | undefined }
    | undefined;
  /** Static addresses, at most one per family. */
  readonly addresses?: readonly string[] | undefined;
  /** Static MAC. Remembered with a VM's addresses. */
  readonly mac?: string | undefined;
  /** MTU of the pod's interface, bytes. That of a VM's active pod is remembered: it is what the guest keeps when it migrates. */
  readonly mtu?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One address of a workload. */
export interface WorkloadAddress {
  readonly address: string;
  readonly family: Family;
  /** Prefix length of the block the address is from. */
  readonly blockPrefixLength: number;
}

/** The addresses a workload has now. */
export interface WorkloadAssignment {
  readonly addresses: readonly WorkloadAddress[];
  readonly handle: string;
  /** `sole`: an ordinary pod. `alternate`: a migration target; it must not attract traffic yet. */
  readonly owner: "active" | "alternate" | "sole";
  /** The addresses existed before this request. */
  readonly reused: boolean;
  /** The VM's static MAC, from this request or remembered from an earlier one. */
  readonly mac?: string;
  /** For a migration target: the MTU the VM runs with, bytes. Absent when it was not remembered. */
  readonly mtu?: number;
}

/** What CNI DEL gives back. */
export interface WorkloadRelease {
  readonly network: string;
  readonly containerId: string;
  readonly node: string;
  /** `uid` may be unknown (`""`) when only the container runtime still knows the pod. */
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid?: string | undefined };
  /** Known and verified VM; `deleting`: its VirtualMachine (or ownerless VMI) has a deletion timestamp or is gone. */
  readonly vm?:
    | (VmIdentity & {
        readonly deleting: boolean;
        /** As the VMI says now; undefined when there is none any more. */
        readonly guest?: GuestFact | undefined;
      })
    | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a release freed, and what it left with the VM. */
export interface WorkloadReleaseResult {
  /** Addresses that are free again. */
  readonly released: readonly string[];
  /** Addresses of a VM that stay reserved for it. */
  readonly kept: readonly string[];
}

/** The pod in which the guest runs now. */
export interface PromoteRequest {
  readonly network: string;
  /** The UIDs are written into the record of a pod that is not recorded yet, and compared where one is. */
  readonly vm: {
    readonly namespace: string;
    readonly name: string;
    readonly vmUid?: string | undefined;
    readonly vmiUid?: string | undefined;
  };
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid?: string | undefined };
  /** Where the pod runs, and in which container: for the record. */
  readonly node?: string | undefined;
  readonly containerId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Addresses of pods and VMs, as a CNI plug-in needs them. */
export interface Workloads {
  /**
   * The addresses of a pod, or of the VM in it. Calling again with the same request gives the same addresses.
   * @throws IpamError
   */
  assign(request: WorkloadRequest): Promise<WorkloadAssignment>;
  /** Gives a pod's addresses back; for a VM only its ownership, until the VM is being deleted and nobody else owns them. */
  release(request: WorkloadRelease): Promise<WorkloadReleaseResult>;
  /**
   * The guest runs in this pod now: it becomes active owner of every address. Idempotent, and `owner` then. The VMI is
   * read live first: `elsewhere` when KubeVirt says that the guest runs in another pod, and nothing was written.
   * @throws IpamError
   */
  promote(request: PromoteRequest): Promise<"owner" | "elsewhere">;
}
