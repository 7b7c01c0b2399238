import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { cannotWrite, LabError, type LabErrorCode, messageOf } from "../error.ts";
import { compileCache, logDirectory, outDirectory, workspace } from "../first/paths.ts";
import { type ProgressEvent, progressDescriptor } from "../first/progress.ts";
import { prepareFrr } from "../frr/packages.ts";
import { rankSession } from "../precedence.ts";
import { childrenOf, sendSignal, startTimeOf } from "../process.ts";
import { prepareGuest } from "../qemu/index.ts";
import { readTopology } from "../topology/topology.ts";
import { claimStart } from "./claim.ts";
import { requirePrograms, requireSpace, searchPath } from "./preflight.ts";
import { requireRights } from "./rights.ts";
import { type LabState, removeState, runningLab, saveState } from "./state.ts";

export interface StartOptions {
  readonly topology: string;
  readonly onProgress?: (event: ProgressEvent) => void;
  readonly signal?: AbortSignal;
  /** The lab ends when this process ends, however that happens. */
  readonly attached?: boolean;
}

/**
 * Starts the lab and resolves when it is ready. Whatever goes wrong, or when `signal` fires, the first process is killed and the
 * kernel removes the rest.
 */
export async function startLab(given: StartOptions): Promise<LabState> {
  // The first process has another working directory, and a mistake in the file should show before anything starts.
  const options = { ...given, topology: resolve(given.topology) };
  const topology = readTopology(options.topology);
  requirePrograms();
  requireRights();
  await requireSpace();
  await using _claim = await claimStart();
  const present = await runningLab();
  if (present !== undefined)
    throw new LabError(
      "AlreadyRunning",
      `the lab runs already (process ${present.pid}); end it with: pnpm lab down`,
    );
  await prepared(
    "QEMU and its guest",
    options,
    async () => (await prepareGuest(options.signal && { signal: options.signal })).acceleration,
  );
  if (topology.nodes.some(({ kind }) => kind === "frr"))
    await prepared("FRR", options, () => prepareFrr(options.signal));
  options.signal?.throwIfAborted();
  const rootless = process.getuid?.() !== 0;
  await rm(logDirectory, { recursive: true, force: true });
  await mkdir(logDirectory, { recursive: true });
  const log = openLog(join(logDirectory, "lab.log"));
  const namespaces = [
    "--pid",
    "--fork",
    "--kill-child=SIGKILL",
    "--mount",
    "--mount-proc",
    "--net",
    "--uts",
    "--ipc",
  ];
  const wrapper = spawn(
    "unshare",
    [
      ...(rootless ? ["--user", "--map-root-user"] : []),
      ...namespaces,
      // A pid namespace's first process collects its orphans; Node.js does not.
      ...["sh", "-c", '"$@" & wait "$!"', "lab"],
      ...[process.execPath, join(workspace, "lab/src/first/main.ts"), "--topology", options.topology],
      ...(options.attached ? ["--attached"] : []),
    ],
    {
      stdio: ["ignore", log, log, "pipe"],
      detached: true,
      // A dozen programs of one source tree: what one has compiled the next one reads.
      env: {
        NODE_COMPILE_CACHE: compileCache,
        ...process.env,
        PATH: searchPath,
        FAIRLEAD_LAB_OUT: outDirectory,
      },
      cwd: "/",
    },
  );
  closeSync(log);
  // The agents share this session; what stands for other machines' control plane has its own.
  if (wrapper.pid !== undefined) rankSession(wrapper.pid, "agents");
  try {
    return await untilReady(wrapper, options, rootless);
  } catch (error) {
    await endEverything(wrapper);
    await removeState();
    throw error;
  }
}

function openLog(path: string): number {
  try {
    return openSync(path, "w");
  } catch (cause) {
    throw cannotWrite(path, cause);
  }
}

/**
 * Kills the first process and waits: it is gone only when everything below it is. Before `unshare` has made it, there is
 * `unshare` alone to kill.
 */
async function endEverything(wrapper: Wrapper): Promise<void> {
  if (wrapper.pid === undefined || wrapper.exitCode !== null || wrapper.signalCode !== null) return;
  wrapper.ref();
  const gone = once(wrapper, "exit");
  const children = childrenOf(wrapper.pid);
  for (const pid of children.length > 0 ? children : [wrapper.pid]) sendSignal(pid, "SIGKILL");
  await gone;
}

/** Here and not inside, where there is no network to fetch a kernel and QEMU from. */
async function prepared(
  step: string,
  { onProgress, signal }: StartOptions,
  prepare: () => Promise<string | void>,
): Promise<void> {
  const began = performance.now();
  onProgress?.({ event: "started", step });
  try {
    const remark = await prepare();
    const milliseconds = Math.round(performance.now() - began);
    onProgress?.({ event: "finished", step, milliseconds, ...(remark && { remark }) });
  } catch (error) {
    signal?.throwIfAborted();
    throw new LabError("StartFailed", messageOf(error), error);
  }
}

type Wrapper = ReturnType<typeof spawn>;

async function untilReady(wrapper: Wrapper, options: StartOptions, rootless: boolean): Promise<LabState> {
  const { promise, resolve, reject } = Promise.withResolvers<LabState>();
  const progress = wrapper.stdio[progressDescriptor] as Readable;
  let failure: LabError | undefined;
  let state: LabState | undefined;
  const onAbort = () => reject(options.signal?.reason);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  wrapper.on("error", (cause) =>
    reject(new LabError("StartFailed", `cannot run unshare: ${cause.message}`, cause)),
  );
  wrapper.on("exit", () => reject(failure ?? endedEarly(rootless)));
  createInterface({ input: progress }).on("line", async (line) => {
    const event = JSON.parse(line) as ProgressEvent;
    options.onProgress?.(event);
    if (event.event === "failed")
      failure = new LabError(event.code as LabErrorCode, `${event.step}: ${event.message}`);
    if (event.event === "ready") {
      try {
        state = stateOf(wrapper.pid!, options.topology, rootless);
        await saveState(state);
        resolve(state);
      } catch (error) {
        reject(error);
      }
    }
  });
  try {
    return await promise;
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
    // The lab takes the end of this connection for our end.
    if (!options.attached || state === undefined) progress.destroy();
    wrapper.removeAllListeners("exit");
    wrapper.unref();
  }
}

/** The first process is the only child of `unshare`. */
function stateOf(wrapper: number, topology: string, rootless: boolean): LabState {
  const pid = Number(readFileSync(`/proc/${wrapper}/task/${wrapper}/children`, "utf8").trim());
  const startTime = startTimeOf(pid);
  if (startTime === undefined) throw endedEarly(rootless);
  return { pid, startTime, topology, rootless };
}

function endedEarly(rootless: boolean): LabError {
  let last = "";
  try {
    last = readFileSync(join(logDirectory, "lab.log"), "utf8").trim().split("\n").slice(-3).join("\n");
  } catch {
    // Then there is nothing to quote.
  }
  if (/unshare.*(not permitted|failed)/i.test(last))
    return new LabError(
      "MissingPrivilege",
      rootless
        ? `user namespaces are not permitted here (${last}); run as root, or set kernel.unprivileged_userns_clone=1`
        : `namespaces are not permitted here (${last}); in a container, give it CAP_SYS_ADMIN`,
    );
  return new LabError("StartFailed", `the lab ended while starting: ${last || "no message"}`);
}
