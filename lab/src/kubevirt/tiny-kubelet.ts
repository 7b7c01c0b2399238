import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type ApiClient, ApiError, kinds, listAll, type Pod } from "@fairlead/api";
import { labels, unpausedCondition } from "./names.ts";
import type { PodSwitch } from "./pod-switch.ts";
import { conditionOf } from "./status.ts";

export interface TinyKubeletOptions {
  readonly client: ApiClient;
  readonly nodes: readonly string[];
  readonly network: PodSwitch;
  /** Directory of node `n`: what its virt-handler and launchers share. */
  readonly rootOf: (node: string) => string;
  /** Where the network namespaces of pods are named. */
  readonly pods: string;
}

const pollMs = 20;

/** Schedules launcher pods, runs them, and reports on them: just enough of a cluster for tests of the stand-in. */
export class TinyKubelet {
  readonly #options: TinyKubeletOptions;
  readonly #processes = new Map<string, ChildProcess>();
  readonly #plugged = new Set<string>();
  readonly #over = new AbortController();
  readonly #loop: Promise<void>;

  constructor(options: TinyKubeletOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#loop;
    for (const child of this.#processes.values()) {
      child.kill("SIGKILL");
      while (child.exitCode === null && child.signalCode === null) await delay(pollMs);
    }
  }

  async #run(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const { items } = await listAll(this.#options.client, kinds.Pod);
      for (const pod of items) {
        try {
          await this.#advance(pod, items);
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
        }
      }
      await delay(pollMs);
    }
  }

  async #advance(pod: Pod, all: readonly Pod[]): Promise<void> {
    const uid = pod.metadata.uid!;
    if (pod.metadata.deletionTimestamp) return this.#end(pod);
    const node = pod.spec.nodeName;
    if (!node) return this.#schedule(pod, all);
    if (!this.#processes.has(uid)) return this.#start(pod, node);
    if (!this.#plugged.has(uid) && existsSync(`${this.#options.rootOf(node)}/${uid}/vif-cache-eth0.json`)) {
      this.#plugged.add(uid);
      this.#options.network.plug(uid);
    }
    const code = exitCodeOf(this.#processes.get(uid)!);
    const isFinal = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
    if (isFinal) return;
    if (code !== undefined)
      await this.#report(pod, code === 0 ? "Succeeded" : "Failed", { terminated: { exitCode: code } });
    else if (hasOpenGate(pod) !== (conditionOf(pod, "Ready")?.status !== "True"))
      await this.#report(pod, "Running", { running: {} });
  }

  async #schedule(pod: Pod, all: readonly Pod[]): Promise<void> {
    const taken = all
      .filter(
        (other) => other.metadata.labels?.[labels.createdBy] === pod.metadata.labels?.[labels.createdBy],
      )
      .filter((other) => other.status?.phase !== "Succeeded" && other.status?.phase !== "Failed")
      .map((other) => other.spec.nodeName);
    const node = this.#options.nodes.find((candidate) => !taken.includes(candidate));
    if (node === undefined) return;
    const { name, namespace } = pod.metadata;
    await this.#options.client.raw({
      method: "POST",
      path: `/api/v1/namespaces/${namespace}/pods/${name}/binding`,
      body: { apiVersion: "v1", kind: "Binding", metadata: { name }, target: { kind: "Node", name: node } },
    });
  }

  async #start(pod: Pod, node: string): Promise<void> {
    const uid = pod.metadata.uid!;
    const netns = this.#options.network.add(uid);
    const container = pod.spec.containers[0]!;
    const given = (container.env ?? []) as {
      name: string;
      value?: string;
      valueFrom?: { fieldRef: { fieldPath: string } };
    }[];
    const fields: Record<string, string> = { "metadata.uid": uid, "metadata.name": pod.metadata.name };
    const own = given.map(({ name, value, valueFrom }) => [
      name,
      value ?? fields[valueFrom?.fieldRef.fieldPath ?? ""],
    ]);
    const child = spawn("nsenter", [`--net=${netns}`, "--", ...container.command!], {
      stdio: ["ignore", "inherit", "inherit"],
      env: {
        ...process.env,
        ...Object.fromEntries(own),
        FAIRLEAD_LAB_NODE: node,
        FAIRLEAD_LAB_KUBEVIRT: this.#options.rootOf(node),
      },
    });
    this.#processes.set(uid, child);
    mkdirSync(this.#options.pods, { recursive: true });
    writeFileSync(`${this.#options.pods}/${uid}.json`, JSON.stringify({ netns, pid: child.pid }));
    await this.#report(pod, "Running", { running: { startedAt: new Date().toISOString() } });
  }

  /** SIGTERM, and when the process is gone, the object too. */
  async #end(pod: Pod): Promise<void> {
    const child = this.#processes.get(pod.metadata.uid!);
    if (child && exitCodeOf(child) === undefined) {
      child.kill("SIGTERM");
      return;
    }
    const { name, namespace, uid } = pod.metadata;
    await this.#options.client.delete(kinds.Pod, { name, namespace }, { gracePeriodSeconds: 0 });
    if (child) this.#options.network.remove(uid!);
  }

  async #report(pod: Pod, phase: string, state: object): Promise<void> {
    const ready = phase === "Running";
    const reason = ready ? "ReadinessGatesNotReady" : "PodCompleted";
    const isReady = ready && !hasOpenGate(pod);
    const conditions = [
      { type: "Ready", status: isReady ? "True" : "False", reason: isReady ? null : reason },
    ];
    const containerStatuses = [{ name: "compute", image: "", imageID: "", restartCount: 0, ready, state }];
    const { name, namespace } = pod.metadata;
    const patch = { status: { phase, conditions, containerStatuses } };
    await this.#options.client.patch(kinds.Pod, { name, namespace }, patch, {
      type: "strategic",
      subresource: "status",
    });
  }
}

/** The readiness gate of a launcher pod, which virt-controller closes. */
const hasOpenGate = (pod: Pod): boolean => conditionOf(pod, unpausedCondition)?.status !== "True";

function exitCodeOf(child: ChildProcess): number | undefined {
  if (child.signalCode !== null) return 137;
  return child.exitCode ?? undefined;
}
