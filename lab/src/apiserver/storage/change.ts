import { stringifyJson } from "../json.ts";
import type { KubeObject } from "../objects.ts";

/** One object at one resource version. `bytes` is its JSON, made once, shared by all readers. */
export class Stored {
  /** `namespace/name`, or `name` for cluster-scoped objects. */
  readonly key: string;
  readonly version: number;
  readonly object: KubeObject;
  #text: string | undefined;
  #views: Map<string, string> | undefined;

  constructor(key: string, version: number, object: KubeObject, text?: string) {
    this.key = key;
    this.version = version;
    this.object = object;
    this.#text = text;
  }

  /** The object's JSON, in the API version a client asked for (conversion strategy None: only apiVersion differs). */
  text(apiVersion: string = this.object.apiVersion): string {
    if (apiVersion === this.object.apiVersion) {
      this.#text ??= stringifyJson(this.object);
      return this.#text;
    }
    this.#views ??= new Map();
    let view = this.#views.get(apiVersion);
    if (view === undefined) {
      view = stringifyJson({ ...this.object, apiVersion });
      this.#views.set(apiVersion, view);
    }
    return view;
  }
}

export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

/** What happened to one object. `current` of a deletion is the object's last state at the deletion's version. */
export class Change {
  readonly type: ChangeType;
  readonly current: Stored;
  readonly previous: Stored | undefined;
  #lines: Map<string, Buffer> | undefined;

  constructor(type: ChangeType, current: Stored, previous: Stored | undefined) {
    this.type = type;
    this.current = current;
    this.previous = previous;
  }

  get version(): number {
    return this.current.version;
  }

  /** The watch line for this change seen as `type`, encoded once for all watchers. */
  line(type: ChangeType, apiVersion: string): Buffer {
    this.#lines ??= new Map();
    const key = `${type} ${apiVersion}`;
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = Buffer.from(`{"type":"${type}","object":${this.current.text(apiVersion)}}\n`);
      this.#lines.set(key, line);
    }
    return line;
  }
}
