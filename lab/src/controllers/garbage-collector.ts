import type { Connection } from "../apiserver/connection.ts";
import type { KubeObject, OwnerReference } from "../apiserver/objects.ts";
import { type Discovered, discover, pathOf } from "./discovered.ts";
import { Informer } from "./informer.ts";

const foreground = "foregroundDeletion";
const orphan = "orphan";

interface Node {
  readonly resource: Discovered;
  readonly object: KubeObject;
}

/**
 * Deletes objects whose owners are gone, and carries out foreground and orphaning deletions. Resources are discovered
 * again whenever a CustomResourceDefinition changes.
 */
export class GarbageCollector {
  readonly #connection: Connection;
  readonly #stop = new AbortController();
  readonly #nodes = new Map<string, Node>();
  readonly #dependents = new Map<string, Set<string>>();
  readonly #watched = new Map<string, Discovered>();
  readonly #stops = new Map<string, AbortController>();
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Resolves when every resource has been listed once. */
  static async start(connection: Connection): Promise<GarbageCollector> {
    const collector = new GarbageCollector(connection);
    await collector.#discover();
    const again = (): void => collector.#enqueue(() => collector.#discover());
    const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    new Informer(connection, definitions, { upsert: again, remove: again }, collector.#stop.signal);
    return collector;
  }

  stop(): void {
    this.#stop.abort();
    for (const controller of this.#stops.values()) controller.abort();
  }

  async #discover(): Promise<void> {
    const found = await discover(this.#connection);
    const ids = new Set(found.map((r) => `${r.root}/${r.plural}`));
    for (const [id, controller] of this.#stops)
      if (!ids.has(id)) {
        controller.abort();
        this.#stops.delete(id);
        this.#watched.delete(id);
      }
    const fresh = found.filter((r) => r.kind !== "Event" && !this.#watched.has(`${r.root}/${r.plural}`));
    await Promise.all(
      fresh.map((resource) => {
        const id = `${resource.root}/${resource.plural}`;
        const controller = new AbortController();
        this.#watched.set(id, resource);
        this.#stops.set(id, controller);
        const observer = {
          upsert: (object: KubeObject) => this.#upsert(resource, object),
          remove: (object: KubeObject) => this.#remove(object),
        };
        const signal = AbortSignal.any([controller.signal, this.#stop.signal]);
        return new Informer(this.#connection, `${resource.root}/${resource.plural}`, observer, signal, {
          metadataOnly: true,
        }).synced;
      }),
    );
  }

  #upsert(resource: Discovered, object: KubeObject): void {
    const uid = object.metadata.uid!;
    const node: Node = { resource, object };
    const before = this.#nodes.get(uid);
    this.#nodes.set(uid, node);
    for (const owner of before?.object.metadata.ownerReferences ?? [])
      this.#dependents.get(owner.uid)?.delete(uid);
    for (const owner of object.metadata.ownerReferences ?? []) {
      const dependents = this.#dependents.get(owner.uid) ?? new Set();
      dependents.add(uid);
      this.#dependents.set(owner.uid, dependents);
    }
    if ((object.metadata.ownerReferences?.length ?? 0) > 0) this.#enqueue(() => this.#judge(uid));
    if (object.metadata.deletionTimestamp) this.#enqueue(() => this.#finish(uid));
  }

  #remove(object: KubeObject): void {
    const uid = object.metadata.uid!;
    this.#nodes.delete(uid);
    for (const owner of object.metadata.ownerReferences ?? []) {
      this.#dependents.get(owner.uid)?.delete(uid);
      this.#enqueue(() => this.#finish(owner.uid));
    }
    for (const dependent of this.#dependents.get(uid) ?? []) this.#enqueue(() => this.#judge(dependent));
  }

  /** One thing after the other; a failure leaves the matter to the next event about it. */
  #enqueue(task: () => Promise<unknown>): void {
    this.#queue = this.#queue.then(() => (this.#stop.signal.aborted ? undefined : task())).catch(() => {});
  }

  /** Deletes a dependent none of whose owners exist any more. */
  async #judge(uid: string): Promise<void> {
    const node = this.#nodes.get(uid);
    if (!node || node.object.metadata.deletionTimestamp) return;
    const owners = node.object.metadata.ownerReferences ?? [];
    if (owners.length === 0) return;
    let deletesInForeground = false;
    for (const owner of owners) {
      const known = this.#nodes.get(owner.uid)?.object;
      if (known) {
        if (!known.metadata.finalizers?.includes(foreground) || !known.metadata.deletionTimestamp) return;
        deletesInForeground = true;
      } else if (await this.#exists(node, owner)) return;
    }
    await this.#delete(node, deletesInForeground ? "Foreground" : "Background");
  }

  /** Lets go of an object that waits for its dependents. */
  async #finish(uid: string): Promise<void> {
    const node = this.#nodes.get(uid);
    if (!node?.object.metadata.deletionTimestamp) return;
    const finalizers = node.object.metadata.finalizers ?? [];
    const dependents = [...(this.#dependents.get(uid) ?? [])].flatMap((id) => this.#nodes.get(id) ?? []);
    if (finalizers.includes(orphan)) {
      for (const dependent of dependents) await this.#disown(dependent, uid);
      await this.#dropFinalizer(node, orphan);
    } else if (finalizers.includes(foreground)) {
      for (const dependent of dependents) await this.#judge(dependent.object.metadata.uid!);
      const blocking = dependents.filter((dependent) =>
        dependent.object.metadata.ownerReferences?.some((o) => o.uid === uid && o.blockOwnerDeletion),
      );
      if (blocking.length === 0) await this.#dropFinalizer(node, foreground);
    }
  }

  /** Asks the server: the owner may be of a kind that is not watched, or newer than what was seen. */
  async #exists(node: Node, owner: OwnerReference): Promise<boolean> {
    const resource = [...this.#watched.values()].find(
      (r) => r.kind === owner.kind && r.apiVersion.split("/")[0] === owner.apiVersion.split("/")[0],
    );
    // An owner of an unknown kind may well exist.
    if (!resource) return true;
    const path = pathOf(resource, node.object.metadata.namespace ?? "", owner.name);
    const { code, json } = await this.#connection.call({ path });
    if (code === 404) return false;
    return code !== 200 || (json as KubeObject).metadata.uid === owner.uid;
  }

  async #delete({ resource, object }: Node, propagationPolicy: string): Promise<void> {
    const { namespace = "", name, uid } = object.metadata;
    await this.#connection.call({
      method: "DELETE",
      path: pathOf(resource, namespace, name),
      body: { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy, preconditions: { uid: uid! } },
    });
  }

  #disown({ resource, object }: Node, owner: string): Promise<unknown> {
    const ownerReferences = (object.metadata.ownerReferences ?? []).filter((o) => o.uid !== owner);
    return this.#patch(resource, object, { ownerReferences });
  }

  #dropFinalizer({ resource, object }: Node, finalizer: string): Promise<unknown> {
    const finalizers = (object.metadata.finalizers ?? []).filter((f) => f !== finalizer);
    return this.#patch(resource, object, { finalizers });
  }

  #patch(
    resource: Discovered,
    object: KubeObject,
    metadata: { finalizers?: string[]; ownerReferences?: OwnerReference[] },
  ) {
    const { namespace = "", name, uid, resourceVersion } = object.metadata;
    return this.#connection.call({
      method: "PATCH",
      path: pathOf(resource, namespace, name),
      body: { metadata: { uid: uid!, resourceVersion: resourceVersion!, ...metadata } },
      headers: { "content-type": "application/merge-patch+json" },
    });
  }
}
