import type { Connection } from "../apiserver/connection.ts";
import { stringAt } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/objects.ts";
import { Informer } from "./informer.ts";
import { chooseNode } from "./scheduling.ts";

const name = "default-scheduler";

/** Binds pods without a node to the node `chooseNode` picks, and says in events what it did. */
export class Scheduler {
  readonly #connection: Connection;
  readonly #stop = new AbortController();
  readonly #nodes = new Map<string, KubeObject>();
  readonly #pods = new Map<string, KubeObject>();
  readonly #told = new Map<string, string>();
  #running = false;
  #again = false;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async start(connection: Connection): Promise<Scheduler> {
    const scheduler = new Scheduler(connection);
    const { signal } = scheduler.#stop;
    const into = (map: Map<string, KubeObject>) => ({
      upsert(object: KubeObject) {
        map.set(object.metadata.uid!, object);
        scheduler.#wake();
      },
      remove(object: KubeObject) {
        map.delete(object.metadata.uid!);
        scheduler.#wake();
      },
    });
    const nodes = new Informer(connection, "/api/v1/nodes", into(scheduler.#nodes), signal);
    await nodes.synced;
    await new Informer(connection, "/api/v1/pods", into(scheduler.#pods), signal).synced;
    return scheduler;
  }

  stop(): void {
    this.#stop.abort();
  }

  #wake(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      for (const pod of [...this.#pods.values()]) {
        const waits =
          !stringAt(pod, "spec", "nodeName") &&
          !pod.metadata.deletionTimestamp &&
          (stringAt(pod, "spec", "schedulerName") ?? name) === name;
        if (waits) await this.#place(pod).catch(() => {});
      }
    }
    this.#running = false;
  }

  async #place(pod: KubeObject): Promise<void> {
    const decision = chooseNode(pod, [...this.#nodes.values()], [...this.#pods.values()]);
    const { namespace = "", uid } = pod.metadata;
    if ("message" in decision) {
      if (this.#told.get(uid!) === decision.message) return;
      this.#told.set(uid!, decision.message);
      await this.#event(pod, "Warning", "FailedScheduling", decision.message);
      return;
    }
    const { code } = await this.#connection.call({
      method: "POST",
      path: `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/binding`,
      body: {
        apiVersion: "v1",
        kind: "Binding",
        metadata: { name: pod.metadata.name, namespace },
        target: { apiVersion: "v1", kind: "Node", name: decision.node },
      },
    });
    if (code >= 300) return;
    // Counted at once, so that the next pod does not go to the same node before the watch tells.
    this.#pods.set(uid!, {
      ...pod,
      spec: { ...(pod.spec as object), nodeName: decision.node },
    } as KubeObject);
    this.#told.delete(uid!);
    const message = `Successfully assigned ${namespace}/${pod.metadata.name} to ${decision.node}`;
    await this.#event(pod, "Normal", "Scheduled", message);
  }

  async #event(pod: KubeObject, type: string, reason: string, message: string): Promise<void> {
    const { namespace = "" } = pod.metadata;
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    await this.#connection.call({
      method: "POST",
      path: `/api/v1/namespaces/${namespace}/events`,
      body: {
        apiVersion: "v1",
        kind: "Event",
        metadata: { generateName: `${pod.metadata.name}.`, namespace },
        involvedObject: {
          apiVersion: "v1",
          kind: "Pod",
          name: pod.metadata.name,
          namespace,
          uid: pod.metadata.uid!,
          resourceVersion: pod.metadata.resourceVersion!,
        },
        type,
        reason,
        message,
        source: { component: name },
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      },
    });
  }
}
