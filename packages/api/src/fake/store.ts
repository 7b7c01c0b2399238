import type { DeleteOptions, ListOptions, ObjectList, PatchOptions } from "../client.ts";
import { ApiError } from "../error.ts";
import { clone, isSame } from "../json.ts";
import type { KindNames } from "../kind.ts";
import { type KubernetesObject, keyOf, type ObjectRef } from "../object.ts";
import { describeProblems, type Schema } from "../schema.ts";
import { Journal } from "./journal.ts";
import { patched } from "./patch.ts";
import { selects } from "./selection.ts";

export type AnyKind = KindNames & {
  readonly apiVersion: string;
  readonly schema?: Schema<unknown> | undefined;
};

/** How long a pod that runs on a node is given to end, unless it says otherwise. */
const defaultGraceSeconds = 30;

/** The API server's rules over a map: revisions, conditional writes, finalizers, graceful deletion, ownership. */
export class Store {
  readonly journal = new Journal();
  readonly #collections = new Map<string, Map<string, KubernetesObject>>();
  readonly #now: () => number;
  #created = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get(kind: AnyKind, ref: ObjectRef): KubernetesObject {
    checkScope(kind, ref.namespace);
    const found = this.#collection(kind).get(keyOf(ref));
    if (!found) throw new ApiError("NotFound", `${kind.plural} "${ref.name}" not found`);
    return found;
  }

  list(kind: AnyKind, options: ListOptions): ObjectList<KubernetesObject> {
    const isSelected = selects(options);
    const [from, start] = decodeContinue(options.continue, this.journal.revision);
    const matching = [...this.#collection(kind)]
      .filter(([key, object]) => key > from && isSelected(object))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const page = options.limit ? matching.slice(0, options.limit) : matching;
    const last = page.at(-1)?.[0] ?? "";
    return {
      items: page.map(([, object]) => object),
      resourceVersion: String(start),
      continue: page.length < matching.length ? `${start}:${last}` : undefined,
    };
  }

  create(kind: AnyKind, draft: unknown, dryRun = false): KubernetesObject {
    const object = clone(draft) as KubernetesObject & { status?: unknown };
    const { metadata } = object;
    checkScope(kind, metadata.namespace);
    if (metadata.resourceVersion)
      throw new ApiError("BadRequest", "resourceVersion should not be set on objects to be created");
    this.#created += 1;
    metadata.name ||=
      metadata.generateName === undefined ? "" : metadata.generateName + suffix(this.#created);
    checkName(kind, metadata.name);
    if (kind.hasStatus) delete object.status;
    object.apiVersion = kind.apiVersion;
    object.kind = kind.kind;
    if (this.#collection(kind).has(keyOf(metadata)))
      throw new ApiError("AlreadyExists", `${kind.plural} "${metadata.name}" already exists`);
    metadata.uid = uid(this.#created);
    metadata.creationTimestamp = this.#timestamp();
    metadata.generation = 1;
    delete metadata.deletionTimestamp;
    const checked = validated(kind, object);
    return dryRun ? checked : this.#write(kind, checked);
  }

  /** Puts an object in place as it is: no validation, no defaults, status included. For preparing a scene. */
  put(kind: AnyKind, given: unknown): KubernetesObject {
    const object = clone(given) as KubernetesObject;
    this.#created += 1;
    object.apiVersion ??= kind.apiVersion;
    object.kind ??= kind.kind;
    object.metadata.uid ??= uid(this.#created);
    object.metadata.creationTimestamp ??= this.#timestamp();
    object.metadata.generation ??= 1;
    return this.#write(kind, object);
  }

  replace(
    kind: AnyKind,
    given: unknown,
    part: "object" | "status" = "object",
    dryRun = false,
  ): KubernetesObject {
    const object = clone(given) as Stored;
    const current = this.get(kind, object.metadata) as Stored;
    const { resourceVersion } = object.metadata;
    if (!resourceVersion && isCustom(kind))
      throw new ApiError(
        "Invalid",
        `${kind.plural} "${object.metadata.name}": metadata.resourceVersion must be specified for an update`,
      );
    return this.#update(kind, current, object, part, dryRun);
  }

  patch(kind: AnyKind, ref: ObjectRef, patch: unknown, options: PatchOptions): KubernetesObject {
    if (options.type === "strategic" && isCustom(kind))
      throw new ApiError(
        "BadRequest",
        "a strategic merge patch needs a built-in kind; use merge, json or apply",
      );
    if (options.type === "apply" && !this.#collection(kind).has(keyOf(ref)))
      return this.create(kind, {
        ...(patch as object),
        metadata: { ...(patch as KubernetesObject).metadata, ...ref },
      });
    const current = this.get(kind, ref) as Stored;
    const object = patched(current, patch, options.type) as Stored;
    return this.#update(
      kind,
      current,
      object,
      options.subresource === "status" ? "status" : "object",
      options.dryRun,
    );
  }

  delete(kind: AnyKind, ref: ObjectRef, options: DeleteOptions = {}): void {
    const current = this.get(kind, ref);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (uid !== undefined && uid !== current.metadata.uid)
      throw conflict(
        kind,
        ref,
        `the UID in the precondition (${uid}) is not the object's (${current.metadata.uid})`,
      );
    if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion)
      throw conflict(kind, ref, `the object was modified since revision ${resourceVersion}`);
    const grace = graceOf(kind, current as Stored, options);
    if (grace === 0 && !current.metadata.finalizers?.length) {
      this.#remove(kind, current, options);
      return;
    }
    if (
      current.metadata.deletionTimestamp !== undefined &&
      current.metadata.deletionGracePeriodSeconds === grace
    )
      return;
    const deleting = clone(current);
    deleting.metadata.deletionTimestamp = this.#timestamp(grace);
    deleting.metadata.deletionGracePeriodSeconds = grace;
    this.#write(kind, deleting, current);
  }

  /** All objects of a kind, for assertions. */
  objects(kind: AnyKind): readonly KubernetesObject[] {
    return [...this.#collection(kind).values()];
  }

  #update(
    kind: AnyKind,
    current: Stored,
    object: Stored,
    part: "object" | "status",
    dryRun = false,
  ): KubernetesObject {
    const { metadata } = object;
    if (metadata.resourceVersion && metadata.resourceVersion !== current.metadata.resourceVersion)
      throw conflict(
        kind,
        current.metadata,
        "the object has been modified; please apply your changes to the latest version",
      );
    if (metadata.uid && metadata.uid !== current.metadata.uid)
      throw conflict(kind, current.metadata, "the object has another UID: it was deleted and created again");
    if (part === "status" && !kind.hasStatus)
      throw new ApiError("NotFound", `${kind.plural} have no status subresource`);
    const merged: Stored = part === "status" ? withStatus(kind, current, object) : object;
    if (part === "object" && kind.hasStatus) merged.status = clone(current.status);
    if (merged.status === undefined) delete merged.status;
    keepServerFields(merged, current);
    if (!isSame(merged.spec, current.spec))
      merged.metadata.generation = (current.metadata.generation ?? 0) + 1;
    const checked = validated(kind, merged);
    if (isSame(checked, current) || dryRun) return checked;
    const isReleased =
      checked.metadata.deletionTimestamp !== undefined && !checked.metadata.finalizers?.length;
    if (isReleased && !checked.metadata.deletionGracePeriodSeconds) {
      this.#remove(kind, checked);
      return checked;
    }
    return this.#write(kind, checked, current);
  }

  #write(kind: AnyKind, object: KubernetesObject, before?: KubernetesObject): KubernetesObject {
    const collection = this.#collection(kind);
    const key = keyOf(object.metadata);
    const revision = this.journal.next();
    object.metadata.resourceVersion = String(revision);
    const previous = before ?? collection.get(key);
    collection.set(key, object);
    this.journal.append({ revision, collection: collectionName(kind), before: previous, after: object });
    return object;
  }

  #remove(kind: AnyKind, object: KubernetesObject, options: DeleteOptions = {}): void {
    this.#collection(kind).delete(keyOf(object.metadata));
    const revision = this.journal.next();
    const last = clone(object);
    last.metadata.resourceVersion = String(revision);
    this.journal.append({ revision, collection: collectionName(kind), before: last, after: undefined });
    if (options.propagationPolicy !== "Orphan" && object.metadata.uid)
      this.#collectGarbage(object.metadata.uid);
  }

  /** Objects all of whose owners are gone go too. */
  #collectGarbage(owner: string): void {
    for (const [name, collection] of this.#collections)
      for (const object of [...collection.values()]) {
        const owners = object.metadata.ownerReferences ?? [];
        if (
          !owners.some(({ uid }) => uid === owner) ||
          owners.some(({ uid }) => uid !== owner && this.#exists(uid))
        )
          continue;
        const kind = this.#kinds.get(name);
        if (kind) this.delete(kind, object.metadata);
      }
  }

  #exists(uid: string): boolean {
    for (const collection of this.#collections.values())
      for (const object of collection.values()) if (object.metadata.uid === uid) return true;
    return false;
  }

  readonly #kinds = new Map<string, AnyKind>();

  #collection(kind: AnyKind): Map<string, KubernetesObject> {
    const name = collectionName(kind);
    let collection = this.#collections.get(name);
    if (!collection) {
      collection = new Map();
      this.#collections.set(name, collection);
      this.#kinds.set(name, kind);
    }
    return collection;
  }

  #timestamp(afterSeconds = 0): string {
    return new Date(Math.floor(this.#now() / 1000 + afterSeconds) * 1000).toISOString().replace(".000Z", "Z");
  }
}

/** As API servers do it: with the status of a built-in kind go its labels and annotations, with that of a custom one nothing. */
function withStatus(kind: AnyKind, current: Stored, { status, metadata }: Stored): Stored {
  const merged: Stored = { ...clone(current), status };
  if (!isCustom(kind)) {
    for (const field of ["labels", "annotations"] as const) {
      delete merged.metadata[field];
      if (metadata[field]) merged.metadata[field] = metadata[field];
    }
  }
  return merged;
}

type Stored = KubernetesObject & { spec?: Record<string, unknown>; status?: unknown };

export function collectionName(kind: KindNames): string {
  return `${kind.plural}.${kind.group}`;
}

/** Objects that hold their defaults already, so that reading needs no second check. */
const sound = new WeakSet<object>();

export function isSound(object: object): boolean {
  return sound.has(object);
}

function validated(kind: AnyKind, object: KubernetesObject): KubernetesObject {
  const checked = kind.schema?.check(object);
  if (checked === undefined) return object;
  if (checked.ok) {
    sound.add(checked.object as object);
    return checked.object as KubernetesObject;
  }
  throw new ApiError(
    "Invalid",
    `${kind.kind} "${object.metadata.name}" is invalid: ${describeProblems(checked.problems)}`,
  );
}

function keepServerFields(object: Stored, current: Stored): void {
  const {
    uid,
    creationTimestamp,
    generation,
    resourceVersion,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  } = current.metadata;
  object.apiVersion = current.apiVersion;
  object.kind = current.kind;
  const kept = {
    uid,
    creationTimestamp,
    generation,
    resourceVersion,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  };
  Object.assign(object.metadata, kept);
  for (const key of ["deletionTimestamp", "deletionGracePeriodSeconds"] as const)
    if (object.metadata[key] === undefined) delete object.metadata[key];
}

/** Pods that run on a node end gracefully: whoever plays kubelet deletes them again with grace period 0. */
function graceOf(kind: AnyKind, object: Stored, options: DeleteOptions): number {
  if (kind.kind !== "Pod" || kind.group !== "") return 0;
  const isRunning = object.spec?.nodeName !== undefined;
  const own = object.spec?.terminationGracePeriodSeconds;
  const asked = options.gracePeriodSeconds ?? (typeof own === "number" ? own : defaultGraceSeconds);
  return isRunning ? asked : 0;
}

function isCustom(kind: AnyKind): boolean {
  return kind.schema !== undefined || kind.group === "kubevirt.io";
}

function checkScope(kind: AnyKind, namespace: string | undefined): void {
  if (kind.namespaced && !namespace)
    throw new ApiError("BadRequest", `${kind.plural} are namespaced: name a namespace`);
  if (!kind.namespaced && namespace)
    throw new ApiError("BadRequest", `${kind.plural} are cluster-scoped: leave the namespace out`);
}

function checkName(kind: AnyKind, name: string): void {
  const isName =
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name) && name.length <= 253;
  if (!isName)
    throw new ApiError(
      "Invalid",
      `${kind.kind} "${name}" is invalid: metadata.name: must be a lower-case DNS subdomain of at most 253 characters`,
    );
}

function conflict(kind: AnyKind, ref: ObjectRef, message: string): ApiError {
  return new ApiError(
    "Conflict",
    `Operation cannot be fulfilled on ${kind.plural} "${ref.name}": ${message}`,
  );
}

function decodeContinue(token: string | undefined, revision: number): [from: string, start: number] {
  if (!token) return ["", revision];
  const colon = token.indexOf(":");
  return [token.slice(colon + 1), Number(token.slice(0, colon))];
}

function uid(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
}

/** The server's alphabet has no vowels and no look-alikes. */
function suffix(n: number): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  let rest = (n * 2654435761) % 14348907;
  let text = "";
  for (let i = 0; i < 5; i++) {
    text += alphabet[rest % 27];
    rest = Math.floor(rest / 27);
  }
  return text;
}
