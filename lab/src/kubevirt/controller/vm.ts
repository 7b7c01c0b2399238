import { type Draft, kinds, type VirtualMachine, type VirtualMachineInstance } from "@fairlead/api";
import { annotations, finalizers } from "../names.ts";
import { conditionOf, draft, isFinal } from "../status.ts";
import { type Decision, nothing, refOf, type Write } from "./decision.ts";

export interface VmInput {
  readonly vm: VirtualMachine;
  /** The VMI of that name, if it is this VM's. */
  readonly vmi: VirtualMachineInstance | undefined;
}

export type RunStrategy = NonNullable<VirtualMachine["spec"]["runStrategy"]>;

export function runStrategyOf(vm: VirtualMachine): RunStrategy {
  return vm.spec.runStrategy ?? (vm.spec.running ? "Always" : "Halted");
}

type StateChange = NonNullable<NonNullable<VirtualMachine["status"]>["stateChangeRequests"]>[number];

/** virt-controller's work on one VM: start and stop its VMI, and say in one word how it is. */
export function decideVm({ vm, vmi }: VmInput): Decision {
  const writes: Write[] = [];
  if (vm.metadata.deletionTimestamp) return endVm(vm, vmi);
  if (!vm.metadata.finalizers?.includes(finalizers.vm)) {
    const next = draft(vm);
    next.metadata.finalizers = [...(vm.metadata.finalizers ?? []), finalizers.vm];
    return { writes: [{ do: "replace", kind: kinds.VirtualMachine, object: next }] };
  }
  const requests = vm.status?.stateChangeRequests ?? [];
  const wish = wishOf(runStrategyOf(vm), vmi, requests);
  if (wish === "start" && vmi === undefined) writes.push({ do: "createVmi", vmi: vmiOf(vm) });
  if (wish === "stop" && vmi && !vmi.metadata.deletionTimestamp) {
    writes.push({
      do: "delete",
      kind: kinds.VirtualMachineInstance,
      ref: refOf(vmi),
      uid: vmi.metadata.uid!,
    });
  }
  const next = draft(vm);
  const started = wish === "start" && vmi === undefined;
  next.status = {
    ...vm.status,
    created: vmi !== undefined,
    ready: conditionOf(vmi, "Ready")?.status === "True",
    printableStatus: printableStatus(vm, vmi),
    runStrategy: runStrategyOf(vm),
    stateChangeRequests: openRequests(requests, vmi, started),
  };
  if (next.status.stateChangeRequests?.length === 0) delete next.status.stateChangeRequests;
  if (JSON.stringify(next.status) !== JSON.stringify(vm.status)) {
    writes.push({ do: "replaceStatus", kind: kinds.VirtualMachine, object: next });
  }
  return { writes };
}

/** What a run strategy wants of the VMI there is, or is not. */
export function wishOf(
  strategy: RunStrategy,
  vmi: VirtualMachineInstance | undefined,
  requests: readonly StateChange[],
): "start" | "stop" | "leave" {
  const [request] = requests;
  if (vmi && request?.action === "Stop" && request.uid === vmi.metadata.uid) return "stop";
  const startRequested = vmi === undefined && requests.some(({ action }) => action === "Start");
  const ended = isFinal(vmi?.status?.phase);
  switch (strategy) {
    case "Always":
      return ended ? "stop" : vmi ? "leave" : "start";
    case "RerunOnFailure":
      // KubeVirt deletes a succeeded VMI as well and remembers not to start again; leaving it is the same to others.
      if (vmi?.status?.phase === "Failed") return "stop";
      return vmi ? "leave" : "start";
    case "Manual":
      return startRequested ? "start" : "leave";
    case "Halted":
      return vmi ? "stop" : "leave";
    case "Once":
      return vmi ? "leave" : "start";
    case "WaitAsReceiver":
      return "leave";
  }
}

function openRequests(
  requests: readonly StateChange[],
  vmi: VirtualMachineInstance | undefined,
  started: boolean,
): StateChange[] {
  const stops = (request: StateChange) =>
    request.action === "Stop" && vmi !== undefined && vmi.metadata.uid === request.uid;
  // In a restart the start waits for what is to be stopped.
  const isStopping = requests.some(stops);
  return requests.filter((request) =>
    request.action === "Stop" ? stops(request) : isStopping || (!started && vmi === undefined),
  );
}

export function printableStatus(vm: VirtualMachine, vmi: VirtualMachineInstance | undefined): string {
  if (vm.metadata.deletionTimestamp) return "Terminating";
  if (vmi?.metadata.deletionTimestamp || isFinal(vmi?.status?.phase)) return "Stopping";
  const migration = vmi?.status?.migrationState;
  if (migration?.startTimestamp && !migration.endTimestamp) return "Migrating";
  if (vmi?.status?.phase === "Running") return "Running";
  if (vmi) return "Starting";
  return runStrategyOf(vm) === "Halted" ? "Stopped" : vm.status?.created ? "Stopped" : "Starting";
}

/** Only the template's labels and annotations reach the VMI, never the VM's own. */
export function vmiOf(vm: VirtualMachine): Draft<VirtualMachineInstance> {
  const { template } = vm.spec;
  return {
    metadata: {
      name: vm.metadata.name,
      namespace: vm.metadata.namespace!,
      labels: { ...template?.metadata?.labels },
      annotations: {
        ...template?.metadata?.annotations,
        [annotations.vmGeneration]: String(vm.metadata.generation ?? 1),
      },
      finalizers: [finalizers.vm, finalizers.vmi],
      ownerReferences: [
        {
          apiVersion: "kubevirt.io/v1",
          kind: "VirtualMachine",
          name: vm.metadata.name,
          uid: vm.metadata.uid!,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: structuredClone(template?.spec ?? {}),
  };
}

function endVm(vm: VirtualMachine, vmi: VirtualMachineInstance | undefined): Decision {
  if (vmi) {
    if (vmi.metadata.deletionTimestamp) return nothing;
    const ref = refOf(vmi);
    return { writes: [{ do: "delete", kind: kinds.VirtualMachineInstance, ref, uid: vmi.metadata.uid! }] };
  }
  const next = draft(vm);
  next.metadata.finalizers = (vm.metadata.finalizers ?? []).filter((name) => name !== finalizers.vm);
  if (next.metadata.finalizers.length === vm.metadata.finalizers?.length) return nothing;
  return { writes: [{ do: "replace", kind: kinds.VirtualMachine, object: next }] };
}
