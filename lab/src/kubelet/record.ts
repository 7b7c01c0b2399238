import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** How a container's process ended. */
export interface ContainerExit {
  readonly code: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The last run of one container. Times are milliseconds since the epoch. */
export interface ContainerRecord {
  readonly name: string;
  readonly init: boolean;
  readonly pid: number;
  /** Of the process, in clock ticks since boot. */
  readonly startTime: string;
  readonly startedAt: number;
  readonly restarts: number;
  readonly exit?: ContainerExit;
  readonly previousExit?: ContainerExit;
}

/**
 * What the kubelet remembers of a pod, `/run/lab-kubelet/pods/<uid>.json`: enough to find everything again after it was killed.
 * `pid` and `startTime` are those of the first running container.
 */
export interface PodRecord {
  readonly podUID: string;
  readonly namespace: string;
  readonly name: string;
  /** Of the sandbox, the `CNI_CONTAINERID`. */
  readonly containerId: string;
  /** Path of the network namespace; empty for a pod on the host's network. */
  readonly netns: string;
  readonly pid?: number;
  readonly startTime?: string;
  readonly createdAt: number;
  /** Set when ADD has succeeded, or needs not run. */
  readonly attachedAt?: number;
  /** Set when DEL has succeeded and the namespace is gone. */
  readonly detachedAt?: number;
  readonly addresses: readonly string[];
  /** Failed attempts to make the sandbox in a row, and the last message. */
  readonly failures: number;
  readonly failure?: { readonly message: string; readonly at: number };
  readonly terminateSentAt?: number;
  readonly killSentAt?: number;
  /** Seconds between SIGTERM and SIGKILL, from the pod's spec; the object may be gone when it is needed. */
  readonly graceSeconds: number;
  readonly containers: readonly ContainerRecord[];
}

/** Pod records as files, each replaced in one step. */
export class PodRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async load(): Promise<PodRecord[]> {
    await mkdir(this.#directory, { recursive: true });
    const files = (await readdir(this.#directory)).filter((name) => name.endsWith(".json"));
    const texts = await Promise.all(files.map((name) => readFile(join(this.#directory, name), "utf8")));
    return texts.map((text) => JSON.parse(text) as PodRecord);
  }

  async save(record: PodRecord): Promise<void> {
    const path = join(this.#directory, `${record.podUID}.json`);
    await writeFile(`${path}.next`, JSON.stringify(record));
    await rename(`${path}.next`, path);
  }

  async remove(podUID: string): Promise<void> {
    await rm(join(this.#directory, `${podUID}.json`), { force: true });
  }
}
