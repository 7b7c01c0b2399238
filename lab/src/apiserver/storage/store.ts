import type { KubeObject } from "../objects.ts";
import { Stored } from "./change.ts";
import { Collection } from "./collection.ts";
import { logLine, WriteAheadLog } from "./log.ts";

/** Every object of the cluster, with one resource version that counts all writes. */
export class Store {
  readonly #collections = new Map<string, Collection>();
  readonly #history: number;
  readonly #log: WriteAheadLog | undefined;
  #version = 1;
  #compacted = 0;

  constructor(options: { readonly history: number; readonly logPath?: string }) {
    this.#history = options.history;
    if (options.logPath !== undefined) {
      this.#log = new WriteAheadLog(options.logPath);
      this.#replay(this.#log);
    }
  }

  get version(): number {
    return this.#version;
  }

  collection(id: string): Collection {
    let collection = this.#collections.get(id);
    if (collection === undefined) {
      collection = new Collection(id, this.#history, this.#compacted);
      this.#collections.set(id, collection);
    }
    return collection;
  }

  /** Stores the object under the next resource version, which it writes into the object's metadata. */
  put(collection: Collection, key: string, object: KubeObject): Stored {
    const version = this.#version + 1;
    object.metadata.resourceVersion = String(version);
    const stored = new Stored(key, version, object);
    this.#log?.append(collection.id, { type: "MODIFIED", current: stored });
    this.#version = version;
    collection.put(stored);
    return stored;
  }

  remove(collection: Collection, stored: Stored): Stored {
    const version = this.#version + 1;
    const object = {
      ...stored.object,
      metadata: { ...stored.object.metadata, resourceVersion: String(version) },
    };
    const last = new Stored(stored.key, version, object);
    this.#log?.append(collection.id, { type: "DELETED", current: last });
    this.#version = version;
    collection.remove(last);
    return last;
  }

  compact(): void {
    this.#compacted = this.#version;
    for (const collection of this.#collections.values()) collection.compact(this.#compacted);
    this.#log?.rewrite(this.#compacted, this.#liveLines());
  }

  close(): void {
    this.#log?.close();
  }

  #replay(log: WriteAheadLog): void {
    const { compacted, records, bytes } = log.read();
    this.#compacted = compacted;
    this.#version = Math.max(this.#version, compacted);
    for (const record of records) {
      const collection = this.collection(record.collection);
      const stored = new Stored(record.key, record.version, record.object);
      if (record.removed) collection.remove(stored);
      else collection.put(stored);
      this.#version = Math.max(this.#version, record.version);
    }
    for (const collection of this.#collections.values()) collection.compact(compacted);
    let live = 0;
    for (const line of this.#liveLines()) live += line.length;
    if (bytes > 4 * live + 1_000_000) this.compact();
  }

  *#liveLines(): Iterable<string> {
    for (const collection of this.#collections.values())
      for (const stored of collection.sorted())
        yield logLine(collection.id, { type: "MODIFIED", current: stored });
  }
}
