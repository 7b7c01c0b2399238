import { kinds, type VirtualMachine, type VirtualMachineInstance } from "@fairlead/api";
import { type Decision, decide, type PatchOperation, refOf, type Write } from "../controller/decision.ts";
import { type RunStrategy, runStrategyOf } from "../controller/vm.ts";
import { isFinal } from "../status.ts";

/** What virt-api is asked to do with a VM, by the last word of the path. */
export const vmActions = ["start", "stop", "restart", "migrate"] as const;
export type VmAction = (typeof vmActions)[number];

/** Why not: answered with 409. */
export interface Refusal {
  readonly conflict: string;
}

export interface ActionInput {
  readonly vm: VirtualMachine;
  readonly vmi: VirtualMachineInstance | undefined;
  /** Of a migration: labels its node must have. */
  readonly addedNodeSelector?: Readonly<Record<string, string>>;
}

type Rule = (input: ActionInput, strategy: RunStrategy) => Decision | Refusal;

const notRunning: Refusal = { conflict: "VM is not running" };
const isThere = (vmi: VirtualMachineInstance | undefined) => vmi !== undefined && !isFinal(vmi.status?.phase);

/** Some strategies are changed themselves; for the others a request is left that the controller carries out. */
const rules: Readonly<Record<VmAction, Rule>> = {
  start(input, strategy) {
    if (isThere(input.vmi)) return { conflict: "VM is already running" };
    switch (strategy) {
      case "Halted":
        return decide(changeStrategy(input.vm, "Always"));
      case "Manual":
      case "RerunOnFailure":
        return decide(request(input.vm, { action: "Start" }));
      default:
        return { conflict: `${strategy} does not support manual start requests` };
    }
  },
  stop({ vm, vmi }, strategy) {
    if (!vmi || !isThere(vmi)) return notRunning;
    switch (strategy) {
      case "Always":
      case "Once":
        return decide(changeStrategy(vm, "Halted"));
      case "Manual":
      case "RerunOnFailure":
        return decide(request(vm, { action: "Stop", uid: vmi.metadata.uid! }));
      default:
        return notRunning;
    }
  },
  restart({ vm, vmi }, strategy) {
    if (strategy === "Halted" || strategy === "Once")
      return { conflict: `${strategy} does not support manual restart requests` };
    if (!vmi || !isThere(vmi)) return notRunning;
    return decide(request(vm, { action: "Stop", uid: vmi.metadata.uid! }, { action: "Start" }));
  },
  migrate({ vm, vmi, addedNodeSelector }) {
    if (vmi?.status?.phase !== "Running") return notRunning;
    const { name, namespace } = vm.metadata;
    return decide({
      do: "createMigration",
      migration: {
        metadata: { generateName: "kubevirt-migrate-vm-", namespace: namespace! },
        spec: { vmiName: name, ...(addedNodeSelector && { addedNodeSelector: { ...addedNodeSelector } }) },
      },
    });
  },
};

/** virt-api's answer to `PUT .../virtualmachines/NAME/ACTION`. */
export function decideAction(action: VmAction, input: ActionInput): Decision | Refusal {
  return rules[action](input, runStrategyOf(input.vm));
}

function changeStrategy(vm: VirtualMachine, strategy: "Always" | "Halted"): Write {
  const operation: PatchOperation =
    vm.spec.running === undefined
      ? { op: "add", path: "/spec/runStrategy", value: strategy }
      : { op: "replace", path: "/spec/running", value: strategy === "Always" };
  return { do: "patch", kind: kinds.VirtualMachine, ref: refOf(vm), operations: [operation] };
}

function request(vm: VirtualMachine, ...requests: { action: "Start" | "Stop"; uid?: string }[]): Write {
  const operation: PatchOperation = vm.status
    ? { op: "add", path: "/status/stateChangeRequests", value: requests }
    : { op: "add", path: "/status", value: { stateChangeRequests: requests } };
  return {
    do: "patch",
    kind: kinds.VirtualMachine,
    ref: refOf(vm),
    operations: [operation],
    subresource: "status",
  };
}
