import type { DeleteOptions, ListOptions, ObjectList, PatchOptions } from "../client.ts";
import { ApiError } from "../error.ts";
import { clone, isSame } from "../json.ts";
import { type KubernetesObject, keyOf, type ObjectRef } from "../object.ts";
import { Journal } from "./journal.ts";
import { patched } from "./patch.ts";
import { selects } from "./selection.ts";
import {
  type AnyKind,
  checkName,
  checkScope,
  conflict,
  graceOf,
  isCustom,
  keepServerFields,
  type Stored,
  validated,
  withStatus,
} from "./server-rules.ts";
import { collectionName, decodeContinue, suffix, uid } from "./store-names.ts";

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
