import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type ApiClient, isApiError, kinds, type Pod } from "@fairlead/api";
import { messageOf } from "../error.ts";
import { ResultsCache } from "./cni/cache.ts";
import { findNetworkList } from "./cni/conflist.ts";
import { CniNetwork } from "./cni/network.ts";
import { renewLease } from "./lease.ts";
import { nodeAddresses, registerNode, reportNode } from "./node.ts";
import { PodWorker } from "./pod.ts";
import { watchPods } from "./pod-source.ts";
import { type PodRecord, PodRecords } from "./record.ts";
import { podStatus } from "./status.ts";

export interface KubeletOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  /** Records and exit statuses; must not outlive the machine. */
  readonly stateDirectory: string;
  readonly networkDirectory: string;
  readonly pluginDirectories: readonly string[];
  readonly resultsDirectory: string;
  readonly logDirectory: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: (message: string) => void;
  readonly now?: () => number;
  readonly addresses?: () => readonly string[];
}

/** Milliseconds. */
const interval = {
  lease: 10_000,
  /** As often as the kubelet asks its runtime for its status, and containerd then every plug-in for its own. */
  networkCheck: 5_000,
  /** A real kubelet leaves a node unready for longer; nobody here wants to wait for that. */
  whileNotReady: 500,
  nodeStatus: 60_000,
} as const;
/** Longest a CNI plug-in may take: policy setup may wait for a while. */
const pluginTimeout = 120_000;

/** Runs the pods of one node. Closing it leaves the pods as they are, and so does killing it. */
export async function startKubelet(options: KubeletOptions): Promise<AsyncDisposable> {
  const { client, nodeName, log, now = Date.now, addresses = nodeAddresses } = options;
  const records = new PodRecords(join(options.stateDirectory, "pods"));
  const exitDirectory = join(options.stateDirectory, "exits");
  await mkdir(exitDirectory, { recursive: true });
  const network = new CniNetwork(
    { pluginDirectories: options.pluginDirectories, timeout: pluginTimeout },
    new ResultsCache(options.resultsDirectory),
  );
  const stop = new AbortController();
  const sent = new Map<string, string>();

  async function report(pod: Pod, record: PodRecord | undefined): Promise<void> {
    const uid = pod.metadata.uid!;
    // A pod this node never ran, and that is over, is somebody else's to describe.
    if (record === undefined && pod.status?.phase !== undefined && pod.status.phase !== "Pending") return;
    const status = podStatus(pod, record, addresses(), now());
    const text = JSON.stringify(status);
    if (sent.get(uid) === text) return;
    const { name, namespace } = pod.metadata;
    try {
      await client.patch(
        kinds.Pod,
        { name, namespace },
        { metadata: { uid }, status },
        { type: "strategic", subresource: "status", signal: stop.signal },
      );
      sent.set(uid, text);
    } catch (error) {
      if (!isApiError(error, "NotFound", "Conflict")) throw error;
    }
  }

  async function deleteObject(pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    try {
      await client.delete(
        kinds.Pod,
        { name, namespace },
        { gracePeriodSeconds: 0, preconditions: { uid }, signal: stop.signal },
      );
    } catch (error) {
      if (!isApiError(error, "NotFound", "Conflict")) throw error;
    }
  }

  const workers = new Map<string, PodWorker>();
  const workerOf = (uid: string, record?: PodRecord): PodWorker => {
    const present = workers.get(uid);
    if (present !== undefined) return present;
    const worker = new PodWorker(
      uid,
      {
        network,
        networkDirectory: options.networkDirectory,
        records,
        exitDirectory,
        logDirectory: options.logDirectory,
        environment: options.environment,
        hostAddresses: addresses,
        report,
        deleteObject,
        log,
        now,
      },
      record,
      () => {
        workers.delete(uid);
        sent.delete(uid);
      },
    );
    workers.set(uid, worker);
    return worker;
  };

  const state = async () => ({
    name: nodeName,
    addresses: addresses(),
    notReady: await networkProblem(network, options.networkDirectory),
  });
  const first = await state();
  await untilDone(() => registerNode(client, first, now(), stop.signal), log, stop.signal);

  for (const record of await records.load()) workerOf(record.podUID, record);
  const pods = watchPods(client, nodeName, {
    signal: stop.signal,
    log,
    present: (pod) => workerOf(pod.metadata.uid!).update(pod),
    gone: (uid) => workers.get(uid)?.update(undefined),
    // Pods whose objects went away while nobody watched.
    complete: (uids) => {
      for (const [uid, worker] of workers) if (!uids.has(uid)) worker.update(undefined);
    },
  });
  await pods.synced;

  const valid = () => [...workers.values()].flatMap(({ record }) => (record ? [attachmentOf(record)] : []));
  const list = await findNetworkList(options.networkDirectory).catch(() => undefined);
  if (list !== undefined)
    await network.gc(list, valid()).catch((error: unknown) => log(`GC: ${messageOf(error)}`));

  const timers = heartbeat(client, first, state, { log, now, signal: stop.signal });
  return {
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
      stop.abort();
      await pods.close();
      await Promise.all([...workers.values()].map((worker) => worker.close()));
    },
  };
}

function attachmentOf(record: PodRecord) {
  return { containerId: record.containerId, ifName: "eth0" };
}

/**
 * Why no pod can be attached now, undefined when it can; in the words of containerd, which asks STATUS of every plug-in whenever the kubelet
 * asks it for its own, and of the kubelet, which makes that the reason of the node's condition.
 */
export async function networkProblem(
  network: Pick<CniNetwork, "status">,
  directory: string,
): Promise<string | undefined> {
  const words =
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:";
  try {
    const list = await findNetworkList(directory);
    if (list === undefined) return `${words}Network plugin returns error: cni plugin not initialized`;
    await network.status(list);
    return undefined;
  } catch (error) {
    return `${words}Network plugin returns error: ${messageOf(error)}`;
  }
}

type State = Parameters<typeof reportNode>[1];

/** Renews the lease and reports the node's state, at once when its readiness changes. */
function heartbeat(
  client: ApiClient,
  first: State,
  state: () => Promise<State>,
  { log, now, signal }: { log: (m: string) => void; now: () => number; signal: AbortSignal },
): NodeJS.Timeout[] {
  const node = first.name;
  let reported = first;
  let reportedAt = now();
  let checkedAt = now();
  let busy = false;
  const guarded = (work: () => Promise<void>) => () => {
    work().catch((error: unknown) => {
      if (!signal.aborted) log(`node ${node}: ${messageOf(error)}`);
    });
  };
  const renew = guarded(() => renewLease(client, node, now(), signal));
  renew();
  const check = guarded(async () => {
    if (busy) return;
    busy = true;
    try {
      const due = now() - reportedAt >= interval.nodeStatus;
      const pause = reported.notReady === undefined ? interval.networkCheck : interval.whileNotReady;
      if (now() - checkedAt < pause) return;
      checkedAt = now();
      const current = await state();
      if (current.notReady === reported.notReady && !due) return;
      await reportNode(client, current, now(), signal);
      reported = current;
      reportedAt = now();
    } finally {
      busy = false;
    }
  });
  return [setInterval(renew, interval.lease), setInterval(check, interval.whileNotReady)];
}

/** Repeats until it works: the API server may not be there yet. */
async function untilDone(
  work: () => Promise<void>,
  log: (m: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      log(`registering the node: ${messageOf(error)}; trying again`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
