import type { Connection } from "../apiserver/connection.ts";
import { listAt, stringAt } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/objects.ts";
import { Informer } from "./informer.ts";
import { evictionAfter, taintsOf, withConditionTaints } from "./node-taints.ts";

const retryMs = 200;
/** Milliseconds a timer can hold. */
const longestTimer = 2 ** 31 - 1;

/**
 * What kube-controller-manager does about nodes: a node that is not ready gets taints, and its pods are deleted when they have tolerated
 * these for as long as they say, 300 s for most.
 */
export class NodeLifecycle {
  readonly #connection: Connection;
  readonly #stop = new AbortController();
  readonly #nodes = new Map<string, KubeObject>();
  readonly #pods = new Map<string, KubeObject>();
  /** By UID of the pod. */
  readonly #evictions = new Map<string, NodeJS.Timeout>();

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async start(connection: Connection): Promise<NodeLifecycle> {
    const controller = new NodeLifecycle(connection);
    const { signal } = controller.#stop;
    const nodes = new Informer(
      connection,
      "/api/v1/nodes",
      {
        upsert: (node) => controller.#sawNode(node),
        remove: (node) => void controller.#nodes.delete(node.metadata.name),
      },
      signal,
    );
    await nodes.synced;
    const pods = {
      upsert: (pod: KubeObject) => controller.#sawPod(pod),
      remove: (pod: KubeObject) => controller.#forget(pod),
    };
    await new Informer(connection, "/api/v1/pods", pods, signal).synced;
    return controller;
  }

  stop(): void {
    this.#stop.abort();
    for (const timer of this.#evictions.values()) clearTimeout(timer);
  }

  #sawNode(node: KubeObject): void {
    this.#nodes.set(node.metadata.name, node);
    void this.#settle(node).catch(() => this.#retry(node));
    for (const pod of this.#pods.values())
      if (stringAt(pod, "spec", "nodeName") === node.metadata.name) this.#judge(pod);
  }

  async #settle(node: KubeObject): Promise<void> {
    const taints = withConditionTaints(node, new Date());
    if (taints === undefined) return;
    const { name, resourceVersion } = node.metadata;
    const { code } = await this.#connection.call({
      method: "PATCH",
      path: `/api/v1/nodes/${name}`,
      headers: { "content-type": "application/merge-patch+json" },
      body: { metadata: { resourceVersion: resourceVersion! }, spec: { taints: taints as never } },
    });
    // After a conflict the watch brings the newer node.
    if (code >= 400 && code !== 404 && code !== 409) throw new Error(`taints of ${name}: ${code}`);
  }

  #retry(node: KubeObject): void {
    if (this.#stop.signal.aborted) return;
    setTimeout(() => {
      const present = this.#nodes.get(node.metadata.name);
      if (present) void this.#settle(present).catch(() => this.#retry(present));
    }, retryMs).unref();
  }

  #sawPod(pod: KubeObject): void {
    this.#pods.set(pod.metadata.uid!, pod);
    this.#judge(pod);
  }

  #forget({ metadata: { uid } }: KubeObject): void {
    this.#pods.delete(uid!);
    clearTimeout(this.#evictions.get(uid!));
    this.#evictions.delete(uid!);
  }

  #judge(pod: KubeObject): void {
    const uid = pod.metadata.uid!;
    clearTimeout(this.#evictions.get(uid));
    this.#evictions.delete(uid);
    const node = this.#nodes.get(stringAt(pod, "spec", "nodeName") ?? "");
    if (node === undefined || pod.metadata.deletionTimestamp) return;
    const at = evictionAfter(listAt(pod, "spec", "tolerations"), taintsOf(node));
    if (at === undefined) return;
    const due = () => {
      if (Date.now() < at) this.#judge(pod);
      else void this.#evict(pod).catch(() => this.#judge(pod));
    };
    const wait = Math.min(Math.max(0, at - Date.now()), longestTimer);
    this.#evictions.set(uid, setTimeout(due, wait).unref());
  }

  async #evict(pod: KubeObject): Promise<void> {
    const { namespace = "", name, uid } = pod.metadata;
    const { code } = await this.#connection.call({
      method: "DELETE",
      path: `/api/v1/namespaces/${namespace}/pods/${name}`,
      body: { kind: "DeleteOptions", apiVersion: "v1", preconditions: { uid: uid! } },
    });
    if (code >= 400 && code !== 404 && code !== 409) throw new Error(`eviction of ${name}: ${code}`);
  }
}
