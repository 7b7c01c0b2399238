import type { Pod, VirtualMachineInstance, VirtualMachineInstanceMigration } from "@fairlead/api";

/** How a migration ends. `postCopy` succeeds with a long time between switch-over and acknowledgement. */
export type Outcome = "success" | "postCopy" | "targetPodDies" | "qemuFails" | "cancelEarly" | "cancelLate";

export interface Move {
  readonly to: string;
  readonly outcome: Outcome;
  /** The migration object is deleted once it is final. */
  readonly isForgotten: boolean;
  /** The VMI's `completed` as KubeVirt up to 1.8 leaves it after a failure. */
  readonly isOldStyle: boolean;
}

/** The cluster after one write. */
export interface Snapshot {
  readonly what: string;
  readonly pods: readonly Pod[];
  readonly vmi: VirtualMachineInstance;
  readonly migrations: readonly VirtualMachineInstanceMigration[];
  /** What is really so: the pod the VM belongs to, the target under way, the migrations acknowledged so far. */
  readonly truth: {
    readonly active: string;
    readonly target: string | undefined;
    readonly succeeded: readonly string[];
  };
}

export const namespace = "shop";
export const vmName = `machine-${"x".repeat(70)}`;
const vmiUid = "uid-vmi";

/** Writes what KubeVirt writes, in its order. Time advances one second every third write, as coarse as KubeVirt's own. */
export class Scenario {
  readonly history: Snapshot[] = [];
  #writes = 0;
  #pods: Pod[] = [];
  #vmi: VirtualMachineInstance;
  #migrations: VirtualMachineInstanceMigration[] = [];
  #active: string;
  #target: string | undefined;
  #succeeded: string[] = [];

  constructor(node: string) {
    const pod = this.#newPod("virt-launcher-0", node);
    this.#active = pod.metadata.name;
    this.#vmi = {
      apiVersion: "kubevirt.io/v1",
      kind: "VirtualMachineInstance",
      metadata: {
        name: vmName,
        namespace,
        uid: vmiUid,
        resourceVersion: "1",
        creationTimestamp: this.#now(),
        ownerReferences: [
          {
            apiVersion: "kubevirt.io/v1",
            kind: "VirtualMachine",
            name: vmName,
            uid: "uid-vm",
            controller: true,
          },
        ],
      },
      spec: { networks: [{ name: "default", pod: {} }] },
      status: { phase: "Running", nodeName: node, activePods: { [pod.metadata.uid ?? ""]: node } },
    };
    this.#record("running");
  }

  /** One migration from beginning to end. */
  move(move: Move): void {
    const number = this.#migrations.length + this.#succeeded.length + this.history.length;
    const uid = `uid-vmim-${number}`;
    const source = this.#pod(this.#active);
    const sourceNode = source.spec.nodeName ?? "";
    const active = this.#active;
    this.#migrations.push({
      apiVersion: "kubevirt.io/v1",
      kind: "VirtualMachineInstanceMigration",
      metadata: { name: `move-${number}`, namespace, uid, creationTimestamp: this.#now() },
      spec: { vmiName: vmName },
    });
    this.#record("migration created");
    this.#phase(uid, "Pending", { sourcePod: active });
    const target = this.#newPod(`virt-launcher-${number}`, move.to, uid);
    this.#target = target.metadata.name;
    const activePods = { ...this.#vmi.status?.activePods, [target.metadata.uid ?? ""]: move.to };
    this.#status({ activePods }, "target pod listed");
    this.#phase(uid, "Scheduling");
    const isEarly = move.outcome === "targetPodDies" || move.outcome === "cancelEarly";
    if (isEarly) {
      this.#endEarly(uid, target, move);
      return;
    }
    this.#phase(uid, "Scheduled");
    const state = {
      migrationUid: uid,
      sourceNode,
      targetNode: move.to,
      sourcePod: active,
      targetPod: target.metadata.name,
    };
    this.#status({ migrationState: state }, "hand-off");
    this.#phase(uid, "PreparingTarget");
    this.#state({ targetNodeAddress: "192.0.2.9" }, "target listens");
    this.#phase(uid, "TargetReady");
    this.#state({ startTimestamp: this.#now(), mode: "PreCopy" }, "started");
    this.#phase(uid, "Running");
    this.#state({ targetNodeDomainDetected: true }, "incoming domain");
    if (move.outcome === "qemuFails" || move.outcome === "cancelLate") {
      this.#endLate(uid, target, move);
      return;
    }
    this.#state({ targetNodeDomainReadyTimestamp: this.#now() }, "domain ready");
    if (move.outcome === "postCopy") this.#state({ mode: "PostCopy" }, "copying behind");
    this.#active = target.metadata.name;
    this.#target = undefined;
    this.#succeeded = [...this.#succeeded, uid];
    const acknowledged = { ...this.#vmi.status?.migrationState, endTimestamp: this.#now() };
    this.#status({ nodeName: move.to, migrationState: acknowledged }, "acknowledged");
    this.#state({ completed: true }, "completed");
    this.#phase(uid, "Succeeded");
    this.#finish(source, "Succeeded");
    this.#phase(uid, "Succeeded", this.#vmi.status?.migrationState);
    if (move.isForgotten) this.#forget(uid);
  }

  #endEarly(uid: string, target: Pod, move: Move): void {
    if (move.outcome === "cancelEarly") {
      this.#abort(uid);
      this.#target = undefined;
      this.#phase(uid, "Failed");
      this.#pods = this.#pods.filter(({ metadata }) => metadata.uid !== target.metadata.uid);
      this.#record("target pod deleted");
      this.#forget(uid);
      return;
    }
    this.#target = undefined;
    this.#finish(target, "Failed");
    this.#phase(uid, "Failed");
    if (move.isForgotten) this.#forget(uid);
  }

  #endLate(uid: string, target: Pod, move: Move): void {
    const isCancelled = move.outcome === "cancelLate";
    if (isCancelled) {
      this.#abort(uid);
      this.#state({ abortRequested: true }, "abort requested");
    }
    this.#target = undefined;
    const completed = move.isOldStyle ? {} : { completed: true };
    const aborted = isCancelled ? { abortStatus: "Succeeded" as const } : {};
    this.#state(
      { failed: true, failureReason: "it broke", endTimestamp: this.#now(), ...completed, ...aborted },
      "failed",
    );
    this.#phase(uid, "Failed");
    this.#finish(target, "Failed");
    if (isCancelled || move.isForgotten) this.#forget(uid);
  }

  #newPod(name: string, node: string, migrationUid?: string): Pod {
    const pod: Pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name,
        namespace,
        uid: `uid-${name}`,
        ownerReferences: [
          {
            apiVersion: "kubevirt.io/v1",
            kind: "VirtualMachineInstance",
            name: vmName,
            uid: vmiUid,
            controller: true,
          },
        ],
        ...(migrationUid ? { labels: { "kubevirt.io/migrationJobUID": migrationUid } } : {}),
      },
      spec: { nodeName: node, containers: [{ name: "compute" }] },
      status: { phase: "Running" },
    };
    this.#pods = [...this.#pods, pod];
    return pod;
  }

  #pod(name: string): Pod {
    const pod = this.#pods.find(({ metadata }) => metadata.name === name);
    if (!pod) throw new Error(`no pod ${name}`);
    return pod;
  }

  #finish(pod: Pod, phase: "Succeeded" | "Failed"): void {
    this.#pods = this.#pods.map((one) =>
      one.metadata.uid === pod.metadata.uid ? { ...one, status: { phase } } : one,
    );
    this.#record(`pod ${pod.metadata.name} ${phase}`);
  }

  #abort(uid: string): void {
    this.#migration(uid, (migration) => ({
      ...migration,
      metadata: { ...migration.metadata, deletionTimestamp: this.#now() },
    }));
    this.#record("migration being deleted");
  }

  #forget(uid: string): void {
    this.#migrations = this.#migrations.filter(({ metadata }) => metadata.uid !== uid);
    this.#record("migration gone");
  }

  #phase(
    uid: string,
    phase: string,
    migrationState?: NonNullable<VirtualMachineInstance["status"]>["migrationState"],
  ): void {
    this.#migration(uid, (migration) => {
      const { phaseTransitionTimestamps = [] } = migration.status ?? {};
      const entered = { phase, phaseTransitionTimestamp: this.#now() };
      const status = {
        ...migration.status,
        phase,
        phaseTransitionTimestamps: [...phaseTransitionTimestamps, entered],
        ...(migrationState ? { migrationState } : {}),
      };
      return { ...migration, status };
    });
    this.#record(`migration ${phase}`);
  }

  #migration(
    uid: string,
    change: (migration: VirtualMachineInstanceMigration) => VirtualMachineInstanceMigration,
  ): void {
    this.#migrations = this.#migrations.map((one) => (one.metadata.uid === uid ? change(one) : one));
  }

  #state(change: object, what: string): void {
    this.#status({ migrationState: { ...this.#vmi.status?.migrationState, ...change } }, what);
  }

  #status(change: object, what: string): void {
    const metadata = { ...this.#vmi.metadata, resourceVersion: String(this.#writes + 1) };
    this.#vmi = { ...this.#vmi, metadata, status: { ...this.#vmi.status, ...change } };
    this.#record(what);
  }

  #now(): string {
    return new Date(1_790_000_000_000 + Math.floor(this.#writes / 3) * 1000)
      .toISOString()
      .replace(".000Z", "Z");
  }

  #record(what: string): void {
    this.#writes += 1;
    this.history.push({
      what,
      pods: this.#pods,
      vmi: this.#vmi,
      migrations: [...this.#migrations],
      truth: { active: this.#active, target: this.#target, succeeded: this.#succeeded },
    });
  }
}
