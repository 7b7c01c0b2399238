import { kinds, type Pod, type VirtualMachineInstance } from "@fairlead/api";
import { refOf, type Write } from "../controller/decision.ts";
import { labels } from "../names.ts";
import { conditionOf, isFinal } from "../status.ts";

/** What becomes of the eviction of a launcher pod. */
export type EvictionVerdict =
  | { readonly allowed: true }
  /** Answered with 429; `mark` tells the evacuation controller to move the guest. */
  | { readonly allowed: false; readonly message: string; readonly mark?: Write };

const allowed: EvictionVerdict = { allowed: true };

/** Whether a pod is a launcher whose eviction KubeVirt has a say in. */
export const isLauncher = (pod: Pod) =>
  pod.metadata.labels?.[labels.app] === "virt-launcher" && !isFinal(pod.status?.phase);

/** KubeVirt's webhook for `pods/eviction`: a guest that can move is moved instead of being stopped. */
export function judgeEviction(pod: Pod, vmi: VirtualMachineInstance | undefined): EvictionVerdict {
  if (!isLauncher(pod) || vmi === undefined || isFinal(vmi.status?.phase)) return allowed;
  const strategy = vmi.spec.evictionStrategy ?? "None";
  if (strategy === "None") return allowed;
  const migratable = conditionOf(vmi, "LiveMigratable")?.status === "True";
  if (!migratable && strategy === "LiveMigrateIfPossible") return allowed;
  const name = vmi.metadata.name;
  if (!migratable && strategy === "LiveMigrate")
    return {
      allowed: false,
      message: `VMI ${name} is configured with an eviction strategy but is not live-migratable`,
    };
  const vmiName = JSON.stringify(`${vmi.metadata.namespace}/${name}`);
  const node = pod.spec.nodeName!;
  if (vmi.status?.nodeName !== node)
    return { allowed: false, message: `Eviction request for target Pod of VMI ${vmiName}` };
  if (vmi.status.evacuationNodeName === node)
    return {
      allowed: false,
      message: `Evacuation in progress: Eviction triggered evacuation of VMI ${vmiName}`,
    };
  const operations = [
    { op: "test" as const, path: "/status/nodeName", value: node },
    { op: "add" as const, path: "/status/evacuationNodeName", value: node },
  ];
  return {
    allowed: false,
    message: `Eviction triggered evacuation of VMI ${vmiName}`,
    mark: { do: "patch", kind: kinds.VirtualMachineInstance, ref: refOf(vmi), operations },
  };
}
