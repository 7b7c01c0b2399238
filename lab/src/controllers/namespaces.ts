import type { Connection } from "../apiserver/connection.ts";
import { isObject, listAt, stringAt } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/objects.ts";
import { discover } from "./discovered.ts";
import { Informer } from "./informer.ts";

const retryMs = 200;

/** Empties namespaces that are being deleted and lets them go; gives every other one its default service account. */
export class NamespaceController {
  readonly #connection: Connection;
  readonly #stop = new AbortController();
  readonly #busy = new Set<string>();

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async start(connection: Connection): Promise<NamespaceController> {
    const controller = new NamespaceController(connection);
    const observer = {
      upsert: (namespace: KubeObject) =>
        void controller.#settle(namespace).catch(() => controller.#retry(namespace)),
      remove: () => {},
    };
    await new Informer(connection, "/api/v1/namespaces", observer, controller.#stop.signal).synced;
    return controller;
  }

  stop(): void {
    this.#stop.abort();
  }

  #retry(namespace: KubeObject): void {
    if (this.#stop.signal.aborted) return;
    setTimeout(() => void this.#settle(namespace).catch(() => this.#retry(namespace)), retryMs).unref();
  }

  async #settle(namespace: KubeObject): Promise<void> {
    const { name } = namespace.metadata;
    if (!namespace.metadata.deletionTimestamp) {
      await this.#connection.call({
        method: "POST",
        path: `/api/v1/namespaces/${name}/serviceaccounts`,
        body: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default" } },
      });
      return;
    }
    if (this.#busy.has(name)) return;
    this.#busy.add(name);
    try {
      if (await this.#empty(name)) await this.#finalize(name);
      else this.#retry(namespace);
    } finally {
      this.#busy.delete(name);
    }
  }

  /** Deletes everything inside; true when nothing is left. */
  async #empty(name: string): Promise<boolean> {
    const resources = (await discover(this.#connection)).filter((resource) => resource.namespaced);
    const left = await Promise.all(
      resources.map(async ({ root, plural }) => {
        const path = `${root}/namespaces/${name}/${plural}`;
        const { json } = await this.#connection.call({ path });
        const items = listAt(json, "items");
        if (items.length === 0) return 0;
        await this.#connection.call({
          method: "DELETE",
          path,
          body: { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy: "Background" },
        });
        const after = (await this.#connection.call({ path })).json;
        return listAt(after, "items").length;
      }),
    );
    return left.every((count) => count === 0);
  }

  async #finalize(name: string): Promise<void> {
    const { code, json } = await this.#connection.call({ path: `/api/v1/namespaces/${name}` });
    if (code !== 200) return;
    const spec = isObject(json.spec) ? json.spec : {};
    const finalizers = listAt(spec, "finalizers").filter((finalizer) => finalizer !== "kubernetes");
    const answer = await this.#connection.call({
      method: "PUT",
      path: `/api/v1/namespaces/${name}/finalize`,
      body: { ...json, spec: { ...spec, finalizers } },
    });
    if (answer.code >= 400 && answer.code !== 404)
      throw new Error(stringAt(answer.json, "message") ?? answer.text);
  }
}
