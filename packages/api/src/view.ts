import type { ApiClient } from "./client.ts";
import type { ApiError } from "./error.ts";
import type { ResourceKind } from "./kind.ts";
import type { KubernetesObject, ObjectRef } from "./object.ts";

/** A change the view has taken in. `replayed` marks the objects that existed when the handler subscribed. */
export type Change<T> =
  | { readonly type: "added"; readonly object: T; readonly previous?: undefined; readonly replayed?: boolean }
  | { readonly type: "updated"; readonly object: T; readonly previous: T }
  | { readonly type: "deleted"; readonly object: T; readonly previous?: undefined };

/** What to watch: a kind, or a part of one. */
export interface ViewSource {
  readonly kind: ResourceKind<KubernetesObject, never>;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  /** For example `spec.nodeName=worker-1`. */
  readonly fieldSelector?: string | undefined;
}

/** A way to find objects by something other than their name. Built on first use, kept up to date from then on. */
export interface ViewIndex<T> {
  readonly kind: ResourceKind<T, never>;
  readonly keys: (object: T) => readonly string[];
}

/**
 * `starting`: the first list is under way. `synced`: watching. `missing`: the server does not know the kind (yet); looked
 * for again every few seconds. `retrying`: the last attempt failed; what was read before still answers.
 */
export type SourceState = "starting" | "synced" | "missing" | "retrying";

/** How the mirror of one kind is. */
export interface SourceHealth {
  readonly kind: ResourceKind<KubernetesObject, never>;
  readonly state: SourceState;
  /** Since when, milliseconds of the view's clock. */
  readonly since: number;
  readonly objects: number;
  /** Lists made so far; more than one means that a watch had to start over. */
  readonly lists: number;
  readonly error?: ApiError | Error | undefined;
}

/** How a view is, source by source. */
export interface ViewHealth {
  /** True when every source is synced or missing. */
  readonly healthy: boolean;
  readonly sources: readonly SourceHealth[];
}

/** Where the view reports what it survived. pino's loggers fit. */
export interface ViewLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What a view mirrors, and with which means. */
export interface ClusterViewOptions {
  readonly client: ApiClient;
  readonly kinds: readonly (ResourceKind<KubernetesObject, never> | ViewSource)[];
  readonly logger?: ViewLogger;
  /** Milliseconds; `Date.now` by default. */
  readonly now?: () => number;
  /** 0 to 1, spreads retries; `Math.random` by default. */
  readonly random?: () => number;
}

/** How a subscription begins. */
export interface SubscribeOptions {
  /** Call the handler with what exists already, before this returns (default true). */
  readonly replay?: boolean;
}

/**
 * The one way in for cluster state: lists, watches, and keeps the objects of some kinds in memory.
 * Reading is synchronous. Objects are shared: do not change them. Starts at once and runs until closed.
 */
export interface ClusterView extends AsyncDisposable {
  /** Resolves when every source has been read once (or is found missing). Rejects with the signal's reason. */
  synced(signal?: AbortSignal): Promise<void>;
  get<T>(kind: ResourceKind<T, never>, ref: ObjectRef): T | undefined;
  list<T>(kind: ResourceKind<T, never>, options?: { readonly namespace?: string | undefined }): readonly T[];
  byIndex<T>(index: ViewIndex<T>, key: string): readonly T[];
  /** Handlers run one after another, in order of arrival; one that throws is logged and called again next time. */
  subscribe<T>(
    kind: ResourceKind<T, never>,
    handler: (change: Change<T>) => void,
    options?: SubscribeOptions,
  ): Disposable;
  health(): ViewHealth;
  close(): Promise<void>;
}

/** Declares an index: `const podsByNode = viewIndex(kinds.Pod, (pod) => pod.spec.nodeName ? [pod.spec.nodeName] : [])`. */
export function viewIndex<T>(
  kind: ResourceKind<T, never>,
  keys: (object: T) => readonly string[],
): ViewIndex<T> {
  return { kind, keys };
}
