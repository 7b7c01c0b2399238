import { add, assign } from "./add.ts";
import { readWishes } from "./annotations.ts";
import { check } from "./check.ts";
import type { CniComponents } from "./components.ts";
import { remove } from "./del.ts";
import { asCniError, CniError } from "./error.ts";
import type { Answer } from "./frame.ts";
import { collect } from "./gc.ts";
import { createPodLock } from "./pod-lock.ts";
import { type CniRequest, type PodReference, parseRequest, type RawRequest } from "./request.ts";
import { type CniResult, formatAddresses, formatResult } from "./result.ts";
import { podKey } from "./sandboxes.ts";
import { supportedVersions } from "./version.ts";

/** How long one call may take, milliseconds: less than the messenger and the runtimes wait. */
const callDeadline = 90_000;

/** The plug-in without its transport: one raw call in, what the messenger prints out. Never rejects. */
export interface Cni {
  handle(raw: RawRequest): Promise<Answer>;
}

/** Makes the plug-in of its parts. Calls for one pod run one after the other, others side by side. */
export function createCni(components: CniComponents): Cni {
  const lock = createPodLock();

  async function run(request: CniRequest, signal: AbortSignal): Promise<CniResult | undefined> {
    const { command, config, pod } = request;
    switch (command) {
      case "VERSION":
        return { cniVersion: config.cniVersion, supportedVersions };
      case "STATUS":
        return status();
      case "GC":
        return void (await collect(components, lock, request, signal));
    }
    if (!pod)
      throw new CniError("InvalidEnvironment", `${command} names no pod`, "look at the runtime's CNI_ARGS");
    return lock.hold(podKey(pod), async () => {
      if (command === "CHECK") return void (await check(components, request));
      if (request.plugin === "ipam") return runIpam({ ...request, pod }, signal);
      if (command === "ADD")
        return formatResult(config.cniVersion, await add(components, { ...request, pod }, signal));
      return void (await remove(components, { ...request, pod, network: config.name }, signal));
    });
  }

  /** Called as `calico-ipam`: addresses without an interface. */
  async function runIpam(
    request: CniRequest & { pod: PodReference },
    signal: AbortSignal,
  ): Promise<CniResult | undefined> {
    const { containerId, config, pod, command } = request;
    if (command === "ADD") {
      const workload = await components.identity.arriving(pod, signal);
      const wishes = readWishes(workload.podAnnotations, workload.namespaceAnnotations, config);
      const { addresses, owner } = await assign(components, request, workload, wishes, signal);
      return formatAddresses(
        config.cniVersion,
        addresses.map(({ address }) => address),
        owner !== "alternate",
      );
    }
    const { vm, uid } = await components.identity.departing(pod, undefined, signal);
    const node = components.nodeName;
    await components.addresses.release({
      network: config.name,
      containerId,
      node,
      pod: { ...pod, uid: uid ?? pod.uid },
      vm,
      signal,
    });
    return undefined;
  }

  async function status(): Promise<undefined> {
    const readiness = await components.readiness();
    if (readiness.ready) return;
    throw new CniError(
      readiness.code,
      readiness.reason,
      "wait, or look at the health address of the node's agent",
    );
  }

  return {
    async handle(raw) {
      let cniVersion = "1.1.0";
      try {
        const request = parseRequest(raw);
        cniVersion = request.config.cniVersion;
        const result = await run(request, AbortSignal.timeout(callDeadline));
        return { exitCode: 0, stdout: result ? `${JSON.stringify(result)}\n` : "" };
      } catch (thrown) {
        const error = timedOut(thrown) ?? asCniError(thrown);
        const { CNI_COMMAND: command, CNI_CONTAINERID: containerId } = raw.environment;
        // Never the configuration itself: it may hold tokens.
        components.log.error({ command, containerId, code: error.code, err: error }, "CNI call failed");
        return { exitCode: 1, stdout: `${JSON.stringify(error.toResult(cniVersion))}\n` };
      }
    },
  };
}

function timedOut(error: unknown): CniError | undefined {
  if (!(error instanceof DOMException) || (error.name !== "TimeoutError" && error.name !== "AbortError"))
    return undefined;
  return new CniError(
    "TryAgainLater",
    "the call took too long",
    "the runtime tries again; see the agent's log",
    { cause: error },
  );
}
