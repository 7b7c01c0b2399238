import {
  type ApiClient,
  ApiError,
  type CallOptions,
  type ClusterView,
  controllerOf,
  isApiError,
  keyOf,
  kinds,
  type ObjectRef,
  type Pod,
  type ResourceKind,
  type VirtualMachineInstance,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { identifyWorkload, instanceReference, type Undecided, type Workload } from "./identify.ts";
import { apiVersion, migrationNameAnnotation, migrationUidLabel } from "./names.ts";

/** Where objects are read: the API server itself, or a view of it (which may lag). */
export type ObjectSource = Pick<ApiClient, "get" | "list"> | Pick<ClusterView, "get" | "list">;

/** What is known before, and how long to wait. */
export interface LookupOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for KubeVirt to take note of a new pod, milliseconds; 5000 by default. */
  readonly patienceMs?: number | undefined;
  /** Time between two looks, milliseconds; 100 by default. */
  readonly intervalMs?: number | undefined;
  /** Asked when the source cannot tell: pass the client here and a view as the source. */
  readonly authority?: ObjectSource | undefined;
  /** The pod, if it is at hand. Read again only to decide after a wait. */
  readonly pod?: Pod | undefined;
}

/**
 * Reads what is needed and identifies a pod. An ordinary pod costs no look at KubeVirt's objects. Waits for KubeVirt to
 * list a new pod, then throws.
 *
 * Throws `IdentityError` when the claim is refused, `ApiError` when reading fails (`NotFound`: there is no such pod).
 */
export async function lookupWorkload(
  source: ObjectSource,
  ref: ObjectRef,
  options: LookupOptions = {},
): Promise<Workload> {
  const { signal, patienceMs = 5000, intervalMs = 100, authority } = options;
  const first = await identifyFrom(source, ref, options.pod, signal).catch((error: unknown) => {
    // A view may not have seen the object yet; only the server itself can refuse.
    if (authority === undefined) throw error;
    signal?.throwIfAborted();
    return undefined;
  });
  if (first && first.kind !== "retry") return first;
  const judge = authority ?? source;
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const answer = await identifyFrom(judge, ref, undefined, signal);
    if (answer.kind !== "retry") return answer;
    if (performance.now() >= deadline) throw answer.error;
    await pause(intervalMs, signal);
  }
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
  const vmi = await find(source, kinds.VirtualMachineInstance, { namespace, name: owner.name }, { signal });
  const [vm, migration] = await Promise.all([
    machineName(vmi) === undefined
      ? undefined
      : find(source, kinds.VirtualMachine, { namespace, name: machineName(vmi) ?? "" }, { signal }),
    findMigration(source, pod, { signal }),
  ]);
  return identifyWorkload({ pod, vmi, vm, migration });
}

function machineName(vmi: VirtualMachineInstance | undefined): string | undefined {
  const owner = vmi && controllerOf(vmi);
  return owner?.kind === "VirtualMachine" && owner.apiVersion === apiVersion ? owner.name : undefined;
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
  const listed = await source.list(kinds.VirtualMachineInstanceMigration, { namespace, ...options });
  const items = "items" in listed ? listed.items : listed;
  return items.find(({ metadata }) => metadata.uid === uid);
}

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
