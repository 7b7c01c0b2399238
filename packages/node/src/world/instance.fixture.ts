import type { VirtualMachineInstance } from "@fairlead/api";
import { vmMac } from "@fairlead/cni";
import type { Migration } from "./migration-flow.fixture.ts";
import { Once, type SimulatedPod } from "./pod.fixture.ts";

/** A machine as its owner sees it: of one name, started and stopped, deleted and made anew. */
export class Machine {
  readonly name: string;
  /** A VMI that no VirtualMachine owns. */
  readonly isBare: boolean;
  /** Whether the owner chose the guest's MAC. */
  readonly hasOwnMac: boolean;
  /** Of the VirtualMachine, or of the VMI without one; another one after it was deleted and made anew. */
  uid: string | undefined;
  instance: Instance | undefined;
  /** The addresses it has had since it was made. */
  promised: readonly string[] | undefined;
  /** Something is being done to it as a whole. */
  isBusy = false;
  /** Its deletion was asked for. */
  isGoing = false;

  constructor(name: string, isBare: boolean, hasOwnMac: boolean) {
    this.name = name;
    this.isBare = isBare;
    this.hasOwnMac = hasOwnMac;
  }

  get mac(): string {
    const own = `02:aa:00:00:00:0${this.name.slice(-1)}`;
    return this.hasOwnMac ? own : vmMac({ namespace: "default", name: this.name });
  }
}

/** One run of a machine: what KubeVirt calls an instance. */
export class Instance {
  readonly machine: Machine;
  readonly uid: string;
  readonly object: VirtualMachineInstance;
  readonly pods: SimulatedPod[] = [];
  readonly migrations: Migration[] = [];
  /** The pod in which the guest runs: the truth, whatever KubeVirt says. */
  guest: SimulatedPod | undefined;
  /** Since when. */
  guestSince = 0;
  /** Since when KubeVirt says that the guest runs where it runs; undefined while it does not. */
  toldSince: number | undefined;
  readonly stopping = new Once();
  readonly over = new Once();

  constructor(machine: Machine, uid: string, object: VirtualMachineInstance) {
    this.machine = machine;
    this.uid = uid;
    this.object = object;
  }

  get status() {
    this.object.status ??= {};
    return this.object.status;
  }

  /** Its pods whose containers run or are to run. */
  get livePods(): readonly SimulatedPod[] {
    return this.pods.filter(({ ending }) => !ending.has);
  }
}
