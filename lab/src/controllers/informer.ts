import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "../apiserver/connection.ts";
import { isObject, listAt, numberAt, stringAt } from "../apiserver/json.ts";
import type { KubeObject } from "../apiserver/objects.ts";

export interface Observer {
  upsert(object: KubeObject): void;
  remove(object: KubeObject): void;
}

const maxDelayMs = 2000;

/**
 * Keeps an observer informed about all objects at a path: lists, watches, and starts again after any failure.
 * Resolves `synced` after the first list.
 */
export class Informer {
  readonly synced: Promise<void>;
  readonly #known = new Map<string, KubeObject>();
  readonly #connection: Connection;
  readonly #path: string;
  readonly #observer: Observer;
  readonly #metadataOnly: boolean;
  #resolveSynced: () => void = () => {};

  constructor(
    connection: Connection,
    path: string,
    observer: Observer,
    signal: AbortSignal,
    options: { readonly metadataOnly?: boolean } = {},
  ) {
    this.#connection = connection;
    this.#path = path;
    this.#observer = observer;
    this.#metadataOnly = options.metadataOnly ?? false;
    this.synced = new Promise((resolve) => {
      this.#resolveSynced = resolve;
    });
    void this.#run(signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    let wait = 50;
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        version ??= await this.#list();
        this.#resolveSynced();
        wait = 50;
        version = await this.#watch(version, signal);
      } catch {
        version = undefined;
      }
      if (signal.aborted) return;
      if (version === undefined) await delay(wait, undefined, { signal }).catch(() => {});
      wait = Math.min(wait * 2, maxDelayMs);
    }
  }

  async #list(): Promise<string> {
    const answer = await this.#connection.call({
      path: this.#path,
      headers: { accept: this.#accept("PartialObjectMetadataList") },
    });
    if (answer.code !== 200) throw new Error(`list of ${this.#path} failed: ${answer.text}`);
    const gone = new Map(this.#known);
    for (const item of listAt(answer.json, "items")) {
      if (!isObject(item)) continue;
      gone.delete(String((item as KubeObject).metadata.uid));
      this.#upsert(item as KubeObject);
    }
    for (const object of gone.values()) this.#remove(object);
    return stringAt(answer.json, "metadata", "resourceVersion") ?? "0";
  }

  /** Returns the version to go on from; undefined after an error event: list again. */
  async #watch(from: string, signal: AbortSignal): Promise<string | undefined> {
    let version = from;
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${from}`;
    const path = `${this.#path}${this.#path.includes("?") ? "&" : "?"}${query}`;
    const headers = { accept: this.#accept("PartialObjectMetadata") };
    for await (const { type, object } of this.#connection.watch(path, signal, headers)) {
      if (type === "ERROR") return numberAt(object, "code") === 410 ? undefined : version;
      version = (object as KubeObject).metadata.resourceVersion ?? version;
      if (type === "DELETED") this.#remove(object as KubeObject);
      else if (type !== "BOOKMARK") this.#upsert(object as KubeObject);
    }
    return version;
  }

  #upsert(object: KubeObject): void {
    this.#known.set(String(object.metadata.uid), object);
    this.#observer.upsert(object);
  }

  #remove(object: KubeObject): void {
    if (this.#known.delete(String(object.metadata.uid))) this.#observer.remove(object);
  }

  #accept(shape: string): string {
    return this.#metadataOnly ? `application/json;as=${shape};g=meta.k8s.io;v=v1` : "application/json";
  }
}
