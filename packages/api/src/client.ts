import { isApiError } from "./error.ts";
import type { ResourceKind } from "./kind.ts";
import type { ObjectMeta, ObjectRef } from "./object.ts";

/** Aborting rejects with the signal's reason; otherwise the client's own request timeout applies. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Options of every write. */
export interface WriteOptions extends CallOptions {
  /** The server validates and answers as if it had written, and keeps nothing. */
  readonly dryRun?: boolean | undefined;
  readonly fieldManager?: string | undefined;
}

/** What a list contains. Selectors are Kubernetes' texts: `app=web,tier!=db`, `spec.nodeName=worker-1`. */
export interface ListOptions extends CallOptions {
  /** One namespace; absent means all. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Page size. The answer's `continue` asks for the next page. */
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  /** `"0"` allows an answer from the server's cache; absent asks for the newest state. */
  readonly resourceVersion?: string | undefined;
}

/** One page of a list. `continue` is there when more follows. */
export interface ObjectList<T> {
  readonly items: T[];
  /** Where to start a watch that misses nothing. */
  readonly resourceVersion: string;
  readonly continue?: string | undefined;
}

/** What a watch reports, and from which revision on. It ends when `signal` fires. */
export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Events after this revision. Absent: first an ADDED for everything that exists. */
  readonly resourceVersion?: string | undefined;
  readonly signal: AbortSignal;
}

/** One message of a watch, in the server's order. */
export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  /** Nothing changed up to this revision. */
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/** How a patch is written and applied. */
export interface PatchOptions extends WriteOptions {
  /**
   * `merge`: RFC 7396. `json`: RFC 6902, an array of operations. `strategic`: merge keys for lists, built-in kinds only.
   * `apply`: server-side apply, needs `fieldManager`.
   */
  readonly type: "merge" | "json" | "strategic" | "apply";
  readonly subresource?: string | undefined;
  /** With `apply`: take over fields that others manage. */
  readonly force?: boolean | undefined;
}

/** Under which conditions, and how, an object is deleted. */
export interface DeleteOptions extends CallOptions {
  /** The deletion fails with `Conflict` unless the live object has this uid and revision. */
  readonly preconditions?: {
    readonly uid?: string | undefined;
    readonly resourceVersion?: string | undefined;
  };
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground" | undefined;
  readonly gracePeriodSeconds?: number | undefined;
}

/** Any other request: subresources such as `serviceaccounts/x/token` or `pods/x/eviction`, discovery, health. */
export interface RawRequest extends CallOptions {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Absolute path, for example `/api/v1/namespaces/default/pods/p/eviction`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
}

/** The answer to a request outside the typed calls. */
export interface RawResponse {
  readonly status: number;
  /** Parsed JSON, or the text if it is not JSON. */
  readonly body: unknown;
}

/**
 * Reads and writes a cluster. Every failed call throws `ApiError`.
 *
 * Objects of kinds with a schema come back with the defaults filled in. One that breaks its schema comes back as it is,
 * and `problemsOf(object)` says what is wrong with it.
 */
export interface ApiClient {
  get<T>(kind: ResourceKind<T, never>, ref: ObjectRef, options?: CallOptions): Promise<T>;
  list<T>(kind: ResourceKind<T, never>, options?: ListOptions): Promise<ObjectList<T>>;
  create<T, D>(kind: ResourceKind<T, D>, object: NoInfer<D>, options?: WriteOptions): Promise<T>;
  /** Conditional on `metadata.resourceVersion` when present: `Conflict` if somebody wrote in between. */
  replace<T extends { metadata: ObjectMeta }>(
    kind: ResourceKind<T, never>,
    object: NoInfer<T>,
    options?: WriteOptions,
  ): Promise<T>;
  /** The same for the status subresource: spec and most metadata of `object` are ignored. */
  replaceStatus<T extends { metadata: ObjectMeta }>(
    kind: ResourceKind<T, never>,
    object: NoInfer<T>,
    options?: WriteOptions,
  ): Promise<T>;
  patch<T>(kind: ResourceKind<T, never>, ref: ObjectRef, patch: unknown, options: PatchOptions): Promise<T>;
  /** Resolves when the request was accepted; finalizers may keep the object for a while. */
  delete<T>(kind: ResourceKind<T, never>, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** Ends quietly when the server closes the stream; throws `Gone` when the revision is too old. */
  watch<T>(kind: ResourceKind<T, never>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  raw(request: RawRequest): Promise<RawResponse>;
  /** Closes idle connections; later calls fail. */
  close(): Promise<void>;
}

/**
 * The object, or undefined when the server says that there is none of that name. Every other failure throws, `NotServed` too: where
 * the kind has no definition, nobody knows what objects it has.
 */
export async function getIfPresent<T>(
  client: Pick<ApiClient, "get">,
  kind: ResourceKind<T, never>,
  ref: ObjectRef,
  options?: CallOptions,
): Promise<T | undefined> {
  try {
    return await client.get(kind, ref, options);
  } catch (error) {
    if (isApiError(error, "NotFound")) return undefined;
    throw error;
  }
}

/** All pages of a list as one. */
export async function listAll<T>(
  client: Pick<ApiClient, "list">,
  kind: ResourceKind<T, never>,
  options: ListOptions = {},
): Promise<ObjectList<T>> {
  const items: T[] = [];
  let next = options.continue;
  for (;;) {
    const page = await client.list(kind, { limit: 500, ...options, continue: next });
    items.push(...page.items);
    next = page.continue;
    if (!next) return { items, resourceVersion: page.resourceVersion };
  }
}
