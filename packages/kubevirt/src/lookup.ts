import {
  type ApiClient,
  ApiError,
  type CallOptions,
  type ClusterView,
  isApiError,
  keyOf,
  kinds,
  type ObjectRef,
  type Pod,
  type ResourceKind,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { activePodName } from "./active-pod.ts";
import { identifyWorkload, instanceReference, type Undecided, type Workload } from "./identify.ts";
import { migrationNameAnnotation, migrationUidLabel } from "./names.ts";

/** Where objects are read: the API server itself, or a view of it (which may lag). */
export type ObjectSource = Pick<ApiClient, "get" | "list"> | Pick<ClusterView, "get" | "list">;

/** What is known before, and how long to wait. */
export interface LookupOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for KubeVirt to take note of a new pod, milliseconds; 5000 by default. */
  readonly patienceMs?: number | undefined;
  /** Time between two looks, milliseconds; 100 by default. */
  readonly intervalMs?: number | undefined;
  /**
   * The server itself, where the source is a view of it. It is asked once when the view refuses the pod or does not know it, and once
   * more when patience ends; in between the view is looked at, which costs nothing.
   */
  readonly authority?: ObjectSource | undefined;
  /** The pod, if it is at hand. Read again only when patience ends. */
  readonly pod?: Pod | undefined;
}

/**
 * Reads what is needed and identifies a pod. An ordinary pod costs no look at KubeVirt's objects. Waits for KubeVirt to
 * list a new pod, then throws.
 *
 * Throws `IdentityError` when the claim is refused, `ApiError` when reading fails (`NotFound`: there is no such pod;
 * `NotServed`: the server does not know one of KubeVirt's kinds, perhaps only at the moment).
 */
export async function lookupWorkload(
  source: ObjectSource,
  ref: ObjectRef,
  options: LookupOptions = {},
): Promise<Workload> {
  const { signal, patienceMs = 5000, intervalMs = 100, authority } = options;
  const judge = authority ?? source;
  const deadline = performance.now() + patienceMs;
  let hasAsked = false;
  for (;;) {
    const answer = await identifyFrom(source, ref, options.pod, signal).catch((error: unknown) => {
      // A view may not have seen an object yet; only the server itself can refuse.
      if (authority === undefined) throw error;
      signal?.throwIfAborted();
      return undefined;
    });
    if (answer && answer.kind !== "retry") return answer;
    if (!answer && !hasAsked) {
      hasAsked = true;
      const word = await identifyFrom(judge, ref, options.pod, signal);
      if (word.kind !== "retry") return word;
    }
    if (performance.now() >= deadline) break;
    await pause(intervalMs, signal);
  }
  const last = await identifyFrom(judge, ref, undefined, signal);
  if (last.kind === "retry") throw last.error;
  return last;
}

async function identifyFrom(
  source: ObjectSource,
  ref: ObjectRef,
  known: Pod | undefined,
  signal: AbortSignal | undefined,
): Promise<Workload | Undecided> {
  const pod = known ?? (await source.get(kinds.Pod, ref, { signal }));
  // The client throws by itself, a view is silent.
  if (pod === undefined) throw new ApiError("NotFound", `pod ${keyOf(ref)}`);
  const owner = instanceReference(pod);
  if (owner === undefined) return { kind: "pod" };
  const { namespace } = pod.metadata;
  const [vmi, migration] = await Promise.all([
    find(source, kinds.VirtualMachineInstance, { namespace, name: owner.name }, { signal }),
    findMigration(source, pod, { signal }),
  ]);
  const isFirst = vmi && activePodName(vmi) === undefined && !pod.metadata.labels?.[migrationUidLabel];
  const hasSiblings = isFirst && Object.keys(vmi.status?.activePods ?? {}).length > 1;
  const siblings = hasSiblings ? await list(source, kinds.Pod, namespace, { signal }) : [];
  return identifyWorkload({ pod, vmi, migration, siblings });
}

/** By the name the pod gives, and if that is another migration, by UID among all of the namespace. */
async function findMigration(
  source: ObjectSource,
  pod: Pod,
  options: CallOptions,
): Promise<VirtualMachineInstanceMigration | undefined> {
  const uid = pod.metadata.labels?.[migrationUidLabel];
  if (!uid) return undefined;
  const { namespace } = pod.metadata;
  const name = pod.metadata.annotations?.[migrationNameAnnotation];
  const named = name
    ? await find(source, kinds.VirtualMachineInstanceMigration, { namespace, name }, options)
    : undefined;
  if (named?.metadata.uid === uid) return named;
  const all = await list(source, kinds.VirtualMachineInstanceMigration, namespace, options);
  return all.find(({ metadata }) => metadata.uid === uid);
}

async function list<T>(
  source: ObjectSource,
  kind: ResourceKind<T, never>,
  namespace: string | undefined,
  options: CallOptions,
): Promise<readonly T[]> {
  const listed = await source.list(kind, { namespace, ...options });
  return "items" in listed ? listed.items : listed;
}

/** Undefined only when the server says that there is none: a kind that is not served says nothing. */
async function find<T>(
  source: ObjectSource,
  kind: ResourceKind<T, never>,
  ref: ObjectRef,
  options: CallOptions,
): Promise<T | undefined> {
  try {
    return await source.get(kind, ref, options);
  } catch (error) {
    if (isApiError(error, "NotFound")) return undefined;
    throw error;
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    }
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}
