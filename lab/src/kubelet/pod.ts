import type { Pod } from "@fairlead/api";
import { messageOf } from "../error.ts";
import { findNetworkList } from "./cni/conflist.ts";
import { CniRuntimeError } from "./cni/error.ts";
import type { CniNetwork } from "./cni/network.ts";
import { addressesIn } from "./cni/result.ts";
import { exitCodeOf, killContainer, startContainer, terminateContainer } from "./container.ts";
import { commandOf, environmentOf } from "./environment.ts";
import type { ContainerRecord, PodRecord, PodRecords } from "./record.ts";
import { createNetns, emptyNetns, newContainerId, removeNetns } from "./sandbox.ts";
import { alive, nextStep, type Step } from "./step.ts";

/** What a pod on a node needs of its surroundings. */
export interface PodSurroundings {
  readonly network: CniNetwork;
  /** Directory with the network configuration list. */
  readonly networkDirectory: string;
  readonly records: PodRecords;
  /** Where exit statuses are kept; must live as long as the records. */
  readonly exitDirectory: string;
  readonly logDirectory: string;
  readonly environment: NodeJS.ProcessEnv;
  hostAddresses(): readonly string[];
  /** Reports the status of a pod whose object exists. */
  report(pod: Pod, record: PodRecord | undefined): Promise<void>;
  /** Removes the object once nothing of the pod runs. */
  deleteObject(pod: Pod): Promise<void>;
  log(message: string): void;
  now(): number;
}

const pollInterval = 250;
/** The pod's own interface. */
const interfaceName = "eth0";

/**
 * One pod on this node. Compares what its object asks for with what is there and takes one step after the other until they
 * agree. Never runs two steps at once.
 */
export class PodWorker {
  readonly uid: string;
  readonly #around: PodSurroundings;
  readonly #onForget: () => void;
  #pod: Pod | undefined;
  #record: PodRecord | undefined;
  #turn: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(uid: string, around: PodSurroundings, record: PodRecord | undefined, onForget: () => void) {
    this.uid = uid;
    this.#around = around;
    this.#record = record;
    this.#onForget = onForget;
  }

  get record(): PodRecord | undefined {
    return this.#record;
  }

  /** Takes in the newest object, undefined when it is gone. */
  update(pod: Pod | undefined): void {
    this.#pod = pod;
    this.wake();
  }

  wake(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#turn ??= this.#run().finally(() => {
      this.#turn = undefined;
    });
  }

  /** Stops working; the pod stays as it is. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await this.#advance();
      } catch (error) {
        this.#around.log(`${this.#title()}: ${messageOf(error)}`);
        this.#wakeIn(1_000);
      }
    }
  }

  async #advance(): Promise<void> {
    for (;;) {
      await this.#observe();
      const step = nextStep(this.#pod, this.#record, this.#around.now());
      if (step.do !== "deleteObject" && step.do !== "forget") await this.#report();
      if (step.do === "nothing" || step.do === "wait") {
        const watched =
          this.#record !== undefined && alive(this.#record).length > 0 ? pollInterval : undefined;
        const due = step.do === "wait" ? Math.max(0, step.until - this.#around.now()) : undefined;
        const sooner = Math.min(watched ?? Number.POSITIVE_INFINITY, due ?? Number.POSITIVE_INFINITY);
        if (sooner !== Number.POSITIVE_INFINITY) this.#wakeIn(sooner);
        return;
      }
      await this.#take(step);
      if (step.do === "forget" || step.do === "deleteObject" || this.#closed) return;
    }
  }

  async #report(): Promise<void> {
    if (this.#pod !== undefined) await this.#around.report(this.#pod, this.#record);
  }

  /** Notes which containers have ended. */
  async #observe(): Promise<void> {
    const record = this.#record;
    if (record === undefined || alive(record).length === 0) return;
    const containers = record.containers.map((container) => {
      if (container.exit !== undefined) return container;
      const code = exitCodeOf(container, this.#exitFile(container.name));
      return code === undefined ? container : { ...container, exit: { code, at: this.#around.now() } };
    });
    if (containers.some((container, index) => container !== record.containers[index]))
      await this.#save({ ...record, containers });
  }

  async #take(step: Step): Promise<void> {
    const record = this.#record;
    switch (step.do) {
      case "attach":
        return this.#attach();
      case "start":
        return this.#start(step);
      case "terminate":
        for (const container of alive(record!)) terminateContainer(container);
        return this.#save({ ...record!, terminateSentAt: this.#around.now() });
      case "kill":
        for (const container of alive(record!)) killContainer(container);
        return this.#save({ ...record!, killSentAt: this.#around.now() });
      case "detach":
        return this.#detach();
      case "deleteObject":
        await this.#report();
        return this.#around.deleteObject(this.#pod!);
      case "forget":
        await this.#around.records.remove(this.uid);
        this.#record = undefined;
        this.#onForget();
    }
  }

  /** Makes a sandbox and runs ADD. A sandbox whose ADD failed is taken down; the next try makes a new one. */
  async #attach(): Promise<void> {
    const pod = this.#pod!;
    // What an earlier try, or a kubelet that was killed, has left.
    if (this.#record !== undefined) await this.#takeDown(this.#record);
    const now = this.#around.now();
    const containerId = newContainerId();
    const base: PodRecord = {
      podUID: this.uid,
      namespace: pod.metadata.namespace ?? "default",
      name: pod.metadata.name,
      containerId,
      netns: "",
      createdAt: this.#record?.createdAt ?? now,
      addresses: [],
      failures: this.#record?.failures ?? 0,
      graceSeconds: pod.spec.terminationGracePeriodSeconds ?? 30,
      containers: [],
    };
    if (pod.spec.hostNetwork) return this.#save({ ...base, attachedAt: now, failures: 0 });
    const attempt = { ...base, netns: await createNetns(containerId) };
    // Before ADD: a kubelet that is killed now must find the sandbox to take it down.
    await this.#save(attempt);
    try {
      const list = await this.#networkList();
      const result = await this.#around.network.add(list, this.#attachment(attempt));
      await this.#save({
        ...attempt,
        attachedAt: this.#around.now(),
        addresses: addressesIn(result),
        failures: 0,
      });
    } catch (error) {
      this.#around.log(`${this.#title()}: ADD: ${messageOf(error)}`);
      const gone = await this.#takeDown(attempt).then(
        () => true,
        (cause: unknown) => void this.#around.log(`${this.#title()}: DEL: ${messageOf(cause)}`),
      );
      const failure = { message: messageOf(error), at: this.#around.now() };
      const left = gone ? { ...attempt, netns: "" } : attempt;
      await this.#save({ ...left, failures: attempt.failures + 1, failure });
    }
  }

  async #start({ container, init }: Extract<Step, { do: "start" }>): Promise<void> {
    const pod = this.#pod!;
    const record = this.#record!;
    const last = record.containers.find(({ name }) => name === container.name);
    const own = environmentOf(pod, container, record.addresses, this.#around.hostAddresses());
    const now = this.#around.now();
    const run = startContainer(
      {
        argv: commandOf(container, own),
        env: { ...this.#around.environment, HOSTNAME: pod.metadata.name, ...own },
        netns: record.netns,
        logFile: `${this.#around.logDirectory}/${record.namespace}_${record.name}_${container.name}.log`,
        exitFile: this.#exitFile(container.name),
      },
      () => this.wake(),
    );
    const started: ContainerRecord = {
      name: container.name,
      init,
      ...run,
      startedAt: now,
      restarts: last === undefined ? 0 : last.restarts + 1,
      ...(last?.exit && { previousExit: last.exit }),
    };
    const containers = [...record.containers.filter(({ name }) => name !== container.name), started];
    await this.#save({ ...record, containers });
  }

  async #detach(): Promise<void> {
    const record = this.#record!;
    try {
      await this.#takeDown(record);
    } catch (error) {
      this.#around.log(`${this.#title()}: DEL: ${messageOf(error)}; tried again in a second`);
      throw error;
    }
    await this.#save({ ...record, detachedAt: this.#around.now() });
  }

  async #takeDown(record: PodRecord): Promise<void> {
    if (record.netns === "") return;
    await emptyNetns(record.netns);
    await this.#around.network.del(await this.#networkList(), this.#attachment(record));
    await removeNetns(record.netns);
  }

  async #networkList() {
    const list = await findNetworkList(this.#around.networkDirectory);
    if (list === undefined)
      throw new CniRuntimeError("Config", `no network configuration in ${this.#around.networkDirectory} yet`);
    return list;
  }

  #attachment(record: PodRecord) {
    return {
      containerId: record.containerId,
      netns: record.netns,
      ifName: interfaceName,
      // In this order containerd passes them.
      args: [
        ["IgnoreUnknown", "1"],
        ["K8S_POD_NAMESPACE", record.namespace],
        ["K8S_POD_NAME", record.name],
        ["K8S_POD_INFRA_CONTAINER_ID", record.containerId],
        ["K8S_POD_UID", record.podUID],
      ] as const,
    };
  }

  async #save(record: PodRecord): Promise<void> {
    const { pid: _, startTime: __, ...rest } = record;
    const main = alive(record).find((container) => !container.init) ?? alive(record)[0];
    this.#record = { ...rest, ...(main && { pid: main.pid, startTime: main.startTime }) };
    await this.#around.records.save(this.#record);
  }

  #exitFile(container: string): string {
    return `${this.#around.exitDirectory}/${this.uid}.${container}`;
  }

  #wakeIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => this.wake(), milliseconds);
  }

  #title(): string {
    const { namespace, name } = this.#record ?? this.#pod?.metadata ?? {};
    return `pod ${namespace}/${name}`;
  }
}
