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
import { event, type Write } from "../controller/decision.ts";
import { currentPod } from "../controller/vmi.ts";
import { perform } from "../controller/writer.ts";
import { labels } from "../names.ts";
import { startReconciler } from "../reconciler.ts";
import { isFinal, timestamp } from "../status.ts";
import { domainOf } from "./domain.ts";
import { type LauncherPod, LauncherPods } from "./launcher-pods.ts";
import { MigrationProxies } from "./migration-proxies.ts";
import {
  faultsIn,
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
export function startVirtHandler(options: HandlerOptions): { stop(): Promise<void> } {
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
  /** When the ack of a migration became due, for the fault that delays it. */
  readonly #ackDue = new Map<string, number>();

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
      this.#ackDue.delete(uid);
      if (state.failed && launcher) await this.#release(launcher);
      return this.#write(vmi, removeTargetLabel(vmi));
    }
    if (!isAlive) return "nothing";
    if (launcher === undefined) return launcherRetryMs;
    const network = await this.#launchers.wire(pod.metadata.uid!);
    if (!state.targetNodeAddress || !this.#proxies.has(uid)) {
      const sockets = await launcher.rpc.call("prepareTarget", { uid, network, faults: faultsIn(state) });
      const ports = await this.#proxies.listen(uid, address, sockets);
      const message = `Migration Target is listening at ${address}, on ports: ${Object.keys(ports)}`;
      const events = [event(vmi, "PreparingTarget", message)];
      return this.#write(vmi, reportTargetPrepared(vmi, address, ports), events);
    }
    const next = reportTarget(vmi, node, launcher.status, network);
    if (next.status?.nodeName === vmi.status?.nodeName) return this.#write(vmi, next);
    const wait = this.#ackDelay(uid, faultsIn(state).delayAckMs ?? 0);
    if (wait > 0) return wait;
    return this.#write(vmi, next, [
      event(vmi, "Migrated", `The VirtualMachineInstance migrated to node ${node}.`),
    ]);
  }

  /** Milliseconds until the ack of a migration is due. */
  #ackDelay(uid: string, delay: number): number {
    const due = this.#ackDue.get(uid) ?? Date.now() + delay;
    this.#ackDue.set(uid, due);
    return due - Date.now();
  }

  async #asSource(vmi: VirtualMachineInstance, pods: readonly Pod[]): Promise<Step> {
    const state = vmi.status!.migrationState!;
    const uid = state.migrationUid!;
    const pod = pods.find(({ metadata }) => metadata.name === state.sourcePod);
    if (pod === undefined || isFinal(pod.status?.phase)) return "nothing";
    const launcher = await this.#launchers.find(pod.metadata.uid!);
    if (launcher === undefined) return "nothing";
    if (launcher.status.state === "migrated") {
      if (!state.endTimestamp) return "waits";
      await this.#proxies.close(uid);
      await this.#release(launcher);
      return "waits";
    }
    if (state.failed || state.completed) {
      await this.#proxies.close(uid);
      if (isFinal(vmi.status?.phase)) await this.#release(launcher);
      return "nothing";
    }
    if (!state.targetNodeAddress) return "nothing";
    if (launcher.status.migration?.uid !== uid) {
      const ports = state.targetDirectMigrationNodePorts ?? {};
      const sockets = await this.#proxies.dial(uid, launcher.directory, state.targetNodeAddress, ports);
      const order = { uid, sockets, bandwidth: 0, limits: limitsIn(state), faults: faultsIn(state) };
      launcher.status = await launcher.rpc.call("migrate", order);
    }
    const record = launcher.status.migration;
    if (!state.startTimestamp && record?.startTimestamp) {
      const events = [event(vmi, "Migrating", "VirtualMachineInstance is migrating.")];
      return this.#write(vmi, reportStarted(vmi, record.startTimestamp), events);
    }
    if (state.abortRequested && !record?.aborted) await launcher.rpc.call("abort", { uid });
    const message = `VirtualMachineInstance migration uid ${uid} failed. reason:${record?.reason}`;
    const next = reportSource(vmi, launcher.status, timestamp(Date.now()));
    const hasFailed = next.status?.migrationState?.failed === true;
    const events = hasFailed ? [event(vmi, "Migrated", message, "Warning")] : [];
    const step = await this.#write(vmi, next, events);
    return step === "nothing" ? "waits" : step;
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
    const replace: Write = { do: "replace", kind: kinds.VirtualMachineInstance, object: after };
    await perform(this.#options.client, [replace, ...events], "virt-handler");
    return "wrote";
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
