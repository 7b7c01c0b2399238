import type { Connection } from "../apiserver/connection.ts";
import { type JsonObject, numberAt, objectAt, sameJson } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/objects.ts";
import { Informer } from "./informer.ts";
import {
  deploymentStatus,
  hashLabel,
  isActive,
  isCurrent,
  isReady,
  nextScales,
  replicaSetStatus,
  templateHash,
} from "./rollout.ts";

const revision = "deployment.kubernetes.io/revision";
const retryMs = 500;

/** Deployments through replica sets to pods, and their status back. Daemon sets are not run here. */
export class WorkloadController {
  readonly #connection: Connection;
  readonly #stop = new AbortController();
  readonly #deployments = new Map<string, KubeObject>();
  readonly #sets = new Map<string, KubeObject>();
  readonly #pods = new Map<string, KubeObject>();
  #running = false;
  #again = false;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async start(connection: Connection): Promise<WorkloadController> {
    const controller = new WorkloadController(connection);
    const into = (map: Map<string, KubeObject>) => ({
      upsert(object: KubeObject) {
        // What we wrote ourselves is newer than what the watch is still telling.
        const known = map.get(object.metadata.uid!);
        if (known && Number(known.metadata.resourceVersion) > Number(object.metadata.resourceVersion)) return;
        map.set(object.metadata.uid!, object);
        controller.#wake();
      },
      remove(object: KubeObject) {
        map.delete(object.metadata.uid!);
        controller.#wake();
      },
    });
    const { signal } = controller.#stop;
    await Promise.all([
      new Informer(connection, "/apis/apps/v1/deployments", into(controller.#deployments), signal).synced,
      new Informer(connection, "/apis/apps/v1/replicasets", into(controller.#sets), signal).synced,
      new Informer(connection, "/api/v1/pods", into(controller.#pods), signal).synced,
    ]);
    controller.#synced = true;
    controller.#wake();
    return controller;
  }

  /** Before everything is known, missing pods would be made twice. */
  #synced = false;

  stop(): void {
    this.#stop.abort();
  }

  #wake(): void {
    this.#again = true;
    if (this.#running || !this.#synced) return;
    this.#running = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      try {
        for (const deployment of [...this.#deployments.values()])
          if (!deployment.metadata.deletionTimestamp) await this.#rollOut(deployment);
        for (const set of [...this.#sets.values()])
          if (!set.metadata.deletionTimestamp) await this.#fill(set);
      } catch {
        setTimeout(() => this.#wake(), retryMs).unref();
      }
    }
    this.#running = false;
  }

  async #rollOut(deployment: KubeObject): Promise<void> {
    const { namespace = "", name, uid } = deployment.metadata;
    const root = `/apis/apps/v1/namespaces/${namespace}`;
    const sets = [...this.#sets.values()].filter((set) => owns(uid!, set));
    let current = sets.find((set) => isCurrent(deployment, set));
    const old = sets.filter((set) => set !== current);
    const scales = nextScales(deployment, current, old);
    const last = Math.max(0, ...sets.map((set) => Number(set.metadata.annotations?.[revision] ?? 0)));
    if (!current) {
      const body = replicaSetFor(deployment, scales.get("current") ?? 0, last + 1);
      current = await this.#write("POST", `${root}/replicasets`, body, this.#sets);
      sets.push(current);
    }
    for (const set of sets) {
      const replicas = scales.get(set === current ? "current" : set.metadata.uid!) ?? 0;
      if (numberAt(set, "spec", "replicas") === replicas) continue;
      const spec = { ...objectAt(set, "spec"), replicas };
      await this.#write("PUT", `${root}/replicasets/${set.metadata.name}`, { ...set, spec }, this.#sets);
    }
    await this.#number(deployment, current, last);
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    const fresh = [...this.#sets.values()].filter((set) => owns(uid!, set));
    const present = fresh.find((set) => set.metadata.uid === current.metadata.uid);
    const newest = this.#deployments.get(uid!) ?? deployment;
    const status = deploymentStatus(newest, present, fresh, now);
    if (!sameJson(status, newest.status))
      await this.#write(
        "PUT",
        `${root}/deployments/${name}/status`,
        { ...newest, status },
        this.#deployments,
      );
  }

  /** The revision of the current template, on its replica set and on the deployment: `kubectl rollout undo` goes by it. */
  async #number(deployment: KubeObject, set: KubeObject, last: number): Promise<void> {
    const { namespace = "", name } = deployment.metadata;
    const root = `/apis/apps/v1/namespaces/${namespace}`;
    const own = Number(set.metadata.annotations?.[revision] ?? 0);
    const wanted = String(own > 0 && own >= last ? own : last + 1);
    const known = this.#sets.get(set.metadata.uid!) ?? set;
    if (known.metadata.annotations?.[revision] !== wanted)
      await this.#write(
        "PUT",
        `${root}/replicasets/${set.metadata.name}`,
        annotated(known, wanted),
        this.#sets,
      );
    if (deployment.metadata.annotations?.[revision] !== wanted)
      await this.#write(
        "PUT",
        `${root}/deployments/${name}`,
        annotated(deployment, wanted),
        this.#deployments,
      );
  }

  async #fill(set: KubeObject): Promise<void> {
    const { namespace = "", name, uid } = set.metadata;
    const mine = [...this.#pods.values()].filter((pod) => owns(uid!, pod) && isActive(pod));
    const wanted = numberAt(set, "spec", "replicas") ?? 1;
    for (let i = mine.length; i < wanted; i++) {
      const pod = await this.#write("POST", `/api/v1/namespaces/${namespace}/pods`, podFor(set), this.#pods);
      mine.push(pod);
    }
    const surplus = [...mine]
      .sort((a, b) => Number(isReady(a)) - Number(isReady(b)))
      .slice(0, mine.length - wanted);
    for (const pod of surplus) {
      await this.#connection.call({
        method: "DELETE",
        path: `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}`,
      });
      mine.splice(mine.indexOf(pod), 1);
      this.#pods.delete(pod.metadata.uid!);
    }
    const status = replicaSetStatus(set, mine);
    if (!sameJson(status, set.status)) {
      const path = `/apis/apps/v1/namespaces/${namespace}/replicasets/${name}/status`;
      await this.#write("PUT", path, { ...set, status }, this.#sets);
    }
  }

  async #write(
    method: string,
    path: string,
    body: JsonObject,
    into: Map<string, KubeObject>,
  ): Promise<KubeObject> {
    const { code, json, text } = await this.#connection.call({ method, path, body });
    if (code >= 300) throw new Error(`${method} ${path} failed: ${text}`);
    const object = json as KubeObject;
    into.set(object.metadata.uid!, object);
    this.#again = true;
    return object;
  }
}

const annotated = (object: KubeObject, number: string): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [revision]: number } },
});

const owns = (uid: string, object: KubeObject): boolean =>
  object.metadata.ownerReferences?.some((owner) => owner.controller && owner.uid === uid) ?? false;

const controlledBy = (owner: KubeObject): JsonObject[] => [
  {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid!,
    controller: true,
    blockOwnerDeletion: true,
  },
];

function replicaSetFor(deployment: KubeObject, replicas: number, number: number): JsonObject {
  const hash = templateHash(deployment);
  const template = structuredClone(objectAt(deployment, "spec", "template") ?? {});
  const metadata = objectAt(template, "metadata") ?? {};
  const labels = { ...objectAt(metadata, "labels"), [hashLabel]: hash };
  const selector = objectAt(deployment, "spec", "selector") ?? {};
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      labels,
      annotations: { [revision]: String(number) },
      ownerReferences: controlledBy(deployment),
    },
    spec: {
      replicas,
      selector: { ...selector, matchLabels: { ...objectAt(selector, "matchLabels"), [hashLabel]: hash } },
      template: { ...template, metadata: { ...metadata, labels } },
    },
  };
}

function podFor(set: KubeObject): JsonObject {
  const template = structuredClone(objectAt(set, "spec", "template") ?? {});
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...objectAt(template, "metadata"),
      generateName: `${set.metadata.name}-`,
      ownerReferences: controlledBy(set),
    },
    spec: objectAt(template, "spec") ?? {},
  };
}
