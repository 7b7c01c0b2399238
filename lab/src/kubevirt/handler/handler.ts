import {
  type ApiClient,
  type ClusterView,
  controllerOf,
  getIfPresent,
  keyOf,
  kinds,
  listAll,
  type Pod,
  type VirtualMachineInstance,
} from "@fairlead/api";
import { Ages } from "../ages.ts";
import { event, type Write } from "../controller/decision.ts";
import { currentPod } from "../controller/vmi.ts";
import { perform } from "../controller/writer.ts";
import type { Daemon } from "../daemon.ts";
import { type Plan, planIn } from "../faults.ts";
import { labels } from "../names.ts";
import { startReconciler } from "../reconciler.ts";
import { isFinal, timestamp } from "../status.ts";
import { domainOf } from "./domain.ts";
import { type LauncherPod, LauncherPods } from "./launcher-pods.ts";
import { MigrationProxies } from "./migration-proxies.ts";
import {
  forgetInterface,
  limitsIn,
  type Role,
  removeTargetLabel,
  reportEnd,
  reportRunning,
  reportSource,
  reportStarted,
  reportTarget,
  reportTargetPrepared,
  rolesOf,
} from "./vmi-steps.ts";

/** What the handler's view has to watch. */
export const handlerKinds = [kinds.VirtualMachineInstance];

export interface HandlerOptions {
  readonly client: ApiClient;
  readonly view: ClusterView;
  readonly node: string;
  /** The node's own address, where migrations arrive. */
  readonly address: string;
  readonly root: string;
  /** The pod runner's directory of pods. */
  readonly kubelet: string;
  readonly log: (message: string) => void;
}

/** How soon to look again for a launcher that does not listen yet, milliseconds. */
const launcherRetryMs = 50;

/** virt-handler of one node: wires launcher pods, starts domains, carries out migrations, and reports into the VMI. */
export function startVirtHandler(options: HandlerOptions): Daemon {
  const { view, log } = options;
  /** Which VMI a pod on this node belongs to, so that a launcher's word leads to the right VMI. */
  const vmiOfPod = new Map<string, string>();
  const launchers = new LauncherPods({
    root: options.root,
    kubelet: options.kubelet,
    onChange: (podUid) => {
      const key = vmiOfPod.get(podUid);
      if (key !== undefined) reconciler.enqueue(key);
    },
  });
  const handler = new VirtHandler(options, launchers, vmiOfPod);
  const reconciler = startReconciler({ name: "VMI", log, reconcile: (key) => handler.reconcile(key) });
  const subscription = view.subscribe(kinds.VirtualMachineInstance, ({ object }) => {
    if (rolesOf(object, options.node).size > 0) {
      reconciler.enqueue(keyOf({ name: object.metadata.name, namespace: object.metadata.namespace }));
    }
  });
  return {
    pause: () => reconciler.pause(),
    stop: async () => {
      subscription[Symbol.dispose]();
      await reconciler.stop();
      await handler.stop();
      launchers.close();
    },
  };
}

/**
 * What came of one role: a write (which brings us back by itself), nothing to do (the next role may have), waiting for
 * the launcher, or milliseconds until another look.
 */
type Step = "wrote" | "nothing" | "waits" | number;

class VirtHandler {
  readonly #options: HandlerOptions;
  readonly #launchers: LauncherPods;
  readonly #vmiOfPod: Map<string, string>;
  readonly #proxies = new MigrationProxies();
  readonly #steps: Readonly<
    Record<Role, (vmi: VirtualMachineInstance, pods: readonly Pod[]) => Promise<Step>>
  > = {
    target: (vmi, pods) => this.#asTarget(vmi, pods),
    source: (vmi, pods) => this.#asSource(vmi, pods),
    current: (vmi, pods) => this.#asCurrent(vmi, pods),
  };
  /** Since when the parts of migrations, by UID, have been waiting for their time. */
  readonly #ages = new Ages();
  /** Pods whose launcher was told that its domain is deleted. */
  readonly #deleted = new Set<string>();

  constructor(options: HandlerOptions, launchers: LauncherPods, vmiOfPod: Map<string, string>) {
    this.#options = options;
    this.#launchers = launchers;
    this.#vmiOfPod = vmiOfPod;
  }

  stop(): Promise<void> {
    return this.#proxies.closeAll();
  }

  async reconcile(key: string): Promise<number | undefined> {
    const [namespace, name] = key.split("/");
    const vmi = await this.#read(namespace!, name!);
    if (vmi === undefined) return undefined;
    const roles = rolesOf(vmi, this.#options.node);
    const pods = await this.#podsHere(vmi, key);
    for (const role of ["target", "source", "current"] as const) {
      if (!roles.has(role)) continue;
      const step = await this.#steps[role](vmi, pods);
      if (step === "wrote" || step === "waits") return undefined;
      if (step !== "nothing") return step;
    }
    return undefined;
  }

  /** First start, and the end of a domain that nobody moved. */
  async #asCurrent(vmi: VirtualMachineInstance, pods: readonly Pod[]): Promise<Step> {
    const pod = currentPod(vmi, pods);
    if (pod === undefined || isFinal(pod.status?.phase)) return "nothing";
    const launcher = await this.#launchers.find(pod.metadata.uid!);
    if (launcher === undefined) return launcherRetryMs;
    if (launcher.status.state === "migrated" || launcher.status.state === "incoming") return "waits";
    const network = await this.#launchers.wire(pod.metadata.uid!);
    const now = timestamp(Date.now());
    if (launcher.status.state === "none" && vmi.status?.phase === "Scheduled") {
      launcher.status = await launcher.rpc.call("start", { domain: domainOf(vmi, network), network });
    }
    if (launcher.status.state === "running") {
      const started = vmi.status?.phase === "Scheduled";
      const events = started ? [event(vmi, "Started", "VirtualMachineInstance started.")] : [];
      return this.#write(vmi, reportRunning(vmi, launcher.status, network, now), events);
    }
    const word = launcher.status.state === "shutoff" ? "was shut down" : "crashed";
    const events = [event(vmi, "Stopped", `The VirtualMachineInstance ${word}.`)];
    const step = await this.#write(vmi, reportEnd(vmi, launcher.status, now), events);
    if (step === "wrote") await this.#release(launcher);
    return step;
  }

  async #asTarget(vmi: VirtualMachineInstance, pods: readonly Pod[]): Promise<Step> {
    const state = vmi.status!.migrationState!;
    const uid = state.migrationUid!;
    const { node, address } = this.#options;
    const pod = pods.find(({ metadata }) => metadata.name === state.targetPod);
    const isAlive = pod !== undefined && !isFinal(pod.status?.phase);
    const launcher = isAlive ? await this.#launchers.find(pod.metadata.uid!) : undefined;
    if (state.failed || state.completed) {
      await this.#proxies.close(uid);
      this.#ages.forget(uid);
      if (state.failed && launcher) await this.#release(launcher);
      return this.#write(vmi, removeTargetLabel(vmi));
    }
    if (!isAlive) return "nothing";
    if (launcher === undefined) return launcherRetryMs;
    const network = await this.#launchers.wire(pod.metadata.uid!);
    const plan = planIn(state);
    if (!state.targetNodeAddress || !this.#proxies.has(uid)) {
      const sockets = await launcher.rpc.call("prepareTarget", { uid, network, plan });
      const ports = await this.#proxies.listen(uid, address, sockets);
      const message = `Migration Target is listening at ${address}, on ports: ${Object.keys(ports)}`;
      const events = [event(vmi, "PreparingTarget", message)];
      return this.#write(vmi, reportTargetPrepared(vmi, address, ports), events);
    }
    const hasEnded = launcher.status.migration?.endTimestamp !== undefined;
    const wait = hasEnded ? plan.ackMs + (plan.delayAckMs ?? 0) - this.#ages.of(`${uid}/ack`) : 0;
    const next = reportTarget(vmi, node, launcher.status, wait <= 0);
    const step = await this.#write(vmi, next, this.#migrated(vmi, next, plan));
    return step === "nothing" && wait > 0 ? wait : step;
  }

  /** KubeVirt says so at every look at the VMI from the acknowledgement to the final clean-up. */
  #migrated(
    before: VirtualMachineInstance,
    after: VirtualMachineInstance,
    { migratedEvents }: Plan,
  ): Write[] {
    const [was, is] = [before.status?.migrationState, after.status?.migrationState];
    const message = `The VirtualMachineInstance migrated to node ${this.#options.node}.`;
    const isAcknowledged = is?.endTimestamp && !was?.endTimestamp;
    const times = isAcknowledged ? 1 : is?.completed && !was?.completed ? migratedEvents - 1 : 0;
    return Array<Write>(times).fill(event(before, "Migrated", message));
  }

  async #asSource(vmi: VirtualMachineInstance, pods: readonly Pod[]): Promise<Step> {
    const state = vmi.status!.migrationState!;
    const uid = state.migrationUid!;
    const isOver = state.failed || state.completed;
    if (isOver) {
      await this.#proxies.close(uid);
      this.#ages.forget(uid);
    }
    const pod = pods.find(({ metadata }) => metadata.name === state.sourcePod);
    if (pod === undefined || isFinal(pod.status?.phase)) return "nothing";
    const launcher = await this.#launchers.find(pod.metadata.uid!);
    if (launcher === undefined) return "nothing";
    const hasLeft = launcher.status.state === "migrated";
    if (hasLeft) await this.#deleteDomain(vmi, pod, launcher);
    if (isOver) {
      if (isFinal(vmi.status?.phase)) await this.#release(launcher);
      return "nothing";
    }
    // From the acknowledgement on the VMI is the target's.
    if (!state.targetNodeAddress || vmi.status?.nodeName !== this.#options.node) return "nothing";
    const plan = planIn(state);
    if (launcher.status.migration?.uid !== uid) {
      const ports = state.targetDirectMigrationNodePorts ?? {};
      const sockets = await this.#proxies.dial(uid, launcher.directory, state.targetNodeAddress, ports);
      const order = { uid, sockets, bandwidth: 0, limits: limitsIn(state), plan };
      launcher.status = await launcher.rpc.call("migrate", order);
      await this.#perform(event(vmi, "Migrating", "VirtualMachineInstance is migrating."));
    }
    const record = launcher.status.migration;
    if (state.abortRequested && !record?.aborted) await launcher.rpc.call("abort", { uid });
    const reported = reportSource(vmi, launcher.status, timestamp(Date.now()));
    const next = hasLeft ? forgetInterface(reported, plan) : reported;
    const wait = plan.startReportMs - this.#ages.of(`${uid}/start`);
    const isDue = next !== vmi || wait <= 0;
    const started = isDue && record?.startTimestamp ? reportStarted(next, record.startTimestamp) : next;
    const message = `VirtualMachineInstance migration uid ${uid} failed. reason:${record?.reason}`;
    const hasFailed = started.status?.migrationState?.failed === true;
    const step = await this.#write(
      vmi,
      started,
      hasFailed ? [event(vmi, "Migrated", message, "Warning")] : [],
    );
    if (step !== "nothing") return step;
    return state.startTimestamp || wait <= 0 ? "waits" : wait;
  }

  /** The guest has left. KubeVirt's source deletes the domain then and there: the acknowledgement is none of its business. */
  async #deleteDomain(vmi: VirtualMachineInstance, pod: Pod, launcher: LauncherPod): Promise<void> {
    const uid = pod.metadata.uid!;
    if (this.#deleted.has(uid)) return;
    await this.#perform(event(vmi, "Deleted", "Signaled Deletion"));
    await this.#release(launcher);
    this.#deleted.add(uid);
  }

  /** Lets a launcher end that has nothing left to run. It may be gone before it answers. */
  async #release(launcher: LauncherPod): Promise<void> {
    await launcher.rpc.call("exit", {}).catch(() => {});
  }

  async #write(
    before: VirtualMachineInstance,
    after: VirtualMachineInstance,
    events: readonly Write[] = [],
  ): Promise<Step> {
    if (after === before) return "nothing";
    await this.#perform({ do: "replace", kind: kinds.VirtualMachineInstance, object: after }, ...events);
    return "wrote";
  }

  #perform(...writes: readonly Write[]): Promise<void> {
    return perform(this.#options.client, writes, "virt-handler");
  }

  async #podsHere(vmi: VirtualMachineInstance, key: string): Promise<Pod[]> {
    const labelSelector = `${labels.createdBy}=${vmi.metadata.uid}`;
    const { namespace } = vmi.metadata;
    const { items } = await listAll(this.#options.client, kinds.Pod, { namespace, labelSelector });
    const here = items.filter(
      (pod) => controllerOf(pod)?.uid === vmi.metadata.uid && pod.spec.nodeName === this.#options.node,
    );
    for (const pod of here) this.#vmiOfPod.set(pod.metadata.uid!, key);
    return here;
  }

  #read(namespace: string, name: string): Promise<VirtualMachineInstance | undefined> {
    return getIfPresent(this.#options.client, kinds.VirtualMachineInstance, { namespace, name });
  }
}
