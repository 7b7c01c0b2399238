import { setTimeout as delay } from "node:timers/promises";
import {
  type Domain,
  type Machine,
  migrate,
  monotonicNow,
  type PreparedGuest,
  receive,
  startMachine,
} from "../qemu/index.ts";
import { binding } from "./bridge-binding.ts";
import { leaseFor } from "./dhcp-message.ts";
import { type DhcpServer, startDhcpServer } from "./dhcp-server.ts";
import type { Plan } from "./faults.ts";
import type { Journal } from "./journal.ts";
import type {
  DomainState,
  LauncherMethods,
  LauncherStatus,
  MigrationRecord,
  TargetMethods,
  TargetSockets,
} from "./launcher-protocol.ts";
import { type MigrationLimits, superviseMigration } from "./migration-monitor.ts";
import type { PodNetwork } from "./pod-network.ts";
import { connectRpc, type RpcClient, type RpcServer, serveRpc } from "./rpc.ts";

export interface LauncherOptions {
  readonly directory: string;
  readonly hostname: string;
  readonly dns: readonly string[];
  readonly guest: PreparedGuest;
  readonly journal: Journal;
  /** Called after every change. */
  readonly onStatus: (status: LauncherStatus) => void;
  /** Called when the launcher should end, with its exit status. */
  readonly onExit: (code: number) => void;
}

/** Milliseconds the target may take to run the guest after the source has sent everything. */
const arrivalDeadline = 30_000;
/**
 * Milliseconds from the end of the copy to that of the source's QEMU: on two nodes libvirt confirms to each other in between.
 * Here the kernel, which gives its memory back in one go, would do that on the processors the guest has just moved to.
 */
const confirmation = 300;
/** How often KubeVirt's launcher asks libvirt whether the incoming job is over, milliseconds. */
const jobPoll = 100;
/** How long a launcher whose domain has ended waits for virt-handler, milliseconds. */
const patience = { ended: 15_000, crashed: 2_000 } as const;

const timestamp = () => `${new Date().toISOString().slice(0, 19)}Z`;

/** Has QEMU close the memory's way some time after the guest has resumed on the target. */
async function breakLater(
  machine: Machine,
  target: RpcClient<TargetMethods, never>,
  ms: number,
): Promise<void> {
  await target.call("resumed", {});
  await delay(ms);
  await machine.qmp.execute("migrate-pause");
}

/** The one domain of a launcher pod: its QEMU, its DHCP server, its part in migrations. */
export class LauncherDomain implements LauncherMethods {
  readonly #options: LauncherOptions;
  #state: DomainState = "none";
  #domain: Domain | undefined;
  #migration: MigrationRecord | undefined;
  #machine: Machine | undefined;
  #dhcp: DhcpServer | undefined;
  #control: RpcServer<never> | undefined;
  #abort: AbortController | undefined;
  /** When the guest had moved away, and how long the launcher stays from then on. */
  #departure: { readonly at: number; readonly staysMs: number } | undefined;
  #crashPatience: number = patience.crashed;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  status(): LauncherStatus {
    return {
      state: this.#state,
      ...(this.#domain && { domain: this.#domain }),
      ...(this.#migration && { migration: this.#migration }),
    };
  }

  async start({ domain, network }: { domain: Domain; network: PodNetwork }): Promise<LauncherStatus> {
    if (this.#state !== "none") return this.status();
    await this.#serveDhcp(network, domain.mac);
    await this.#run(domain, false);
    this.#become("running");
    this.#options.journal("booted", monotonicNow());
    return this.status();
  }

  async prepareTarget(params: { uid: string; network: PodNetwork; plan: Plan }): Promise<TargetSockets> {
    const { uid, network, plan } = params;
    const sockets = {
      control: `${this.#options.directory}/control.sock`,
      memory: `${this.#options.directory}/49152.sock`,
    };
    if (this.#control) return sockets;
    this.#migration = { uid, role: "target" };
    let running: Promise<void> | undefined;
    let arrived: Promise<void> | undefined;
    const methods: TargetMethods = {
      begin: async ({ domain, postCopy }) => {
        this.#migration = { uid, role: "target", startTimestamp: timestamp() };
        await this.#serveDhcp(network, plan.dhcpForgetsGuestMac ? network.mac : domain.mac);
        await this.#run(domain, true);
        const machine = this.#machine!;
        const { resumed, completed } = await receive(machine.qmp, `unix:${sockets.memory}`, { postCopy });
        running = resumed.then((at) => this.#arrive(uid, at, plan));
        arrived = running.then(() => completed);
        // The part of a guest is no guest.
        arrived.then(() => this.#endIncomingJob()).catch(() => machine.kill());
        this.#become("incoming");
      },
      resumed: async () => {
        await running;
      },
      finish: async () => {
        await arrived;
        const { killTargetAfterSwitchMs } = plan;
        if (killTargetAfterSwitchMs === undefined) return;
        void delay(killTargetAfterSwitchMs).then(() => this.#machine?.kill());
      },
      cancel: async () => {
        await this.#machine?.kill();
      },
    };
    this.#control = await serveRpc<TargetMethods>(sockets.control, methods);
    return sockets;
  }

  async migrate(params: {
    uid: string;
    sockets: TargetSockets;
    bandwidth: number;
    limits: MigrationLimits;
    plan: Plan;
  }): Promise<LauncherStatus> {
    if (this.#state !== "running" || this.#machine === undefined || this.#domain === undefined) {
      throw new Error(`a domain that is ${this.#state} cannot migrate`);
    }
    if (this.#migration?.uid === params.uid) return this.status();
    this.#migration = { uid: params.uid, role: "source", startTimestamp: timestamp() };
    this.#abort = new AbortController();
    this.#changed();
    void this.#moveOut(this.#machine, this.#domain, params, this.#abort.signal);
    return this.status();
  }

  async abort({ uid }: { uid: string }): Promise<void> {
    if (this.#migration?.uid !== uid || this.#migration.endTimestamp || this.#migration.hasSwitched) return;
    this.#migration = { ...this.#migration, aborted: true };
    this.#abort?.abort();
  }

  async shutdown({ grace }: { grace: number }): Promise<void> {
    const machine = this.#machine;
    if (machine === undefined) return this.#options.onExit(0);
    // A guest that has not arrived yet cannot obey.
    if (this.#state === "incoming") await machine.kill();
    await machine.qmp.execute("system_powerdown").catch(() => {});
    const given = delay(grace * 1000, undefined, { ref: false }).then(() => machine.kill());
    await Promise.race([machine.exited, given]);
  }

  async exit(_params: Record<string, never>): Promise<void> {
    await this.kill();
    const departed = this.#departure;
    if (departed === undefined) return this.#options.onExit(0);
    const left = departed.staysMs - (performance.now() - departed.at);
    this.#leave(0, Math.max(0, left));
  }

  /** Ends QEMU, if there is one. */
  async kill(): Promise<void> {
    await this.#machine?.kill();
  }

  async #moveOut(
    machine: Machine,
    domain: Domain,
    params: Parameters<LauncherMethods["migrate"]>[0],
    signal: AbortSignal,
  ): Promise<void> {
    const { uid, plan, limits } = params;
    const journal: Journal = (event, at, more) =>
      this.#options.journal(event, at, { migration: uid, ...more });
    const over = new AbortController();
    const tooLong = new AbortController();
    try {
      using target = await connectRpc<TargetMethods>(params.sockets.control);
      try {
        await target.call("begin", { domain, postCopy: limits.allowPostCopy });
        void this.#supervise(machine, domain, params, { over: over.signal, tooLong });
        const result = await migrate(machine.qmp, {
          uri: `unix:${params.sockets.memory}`,
          bandwidth: plan.bandwidth ?? params.bandwidth,
          signal,
          onCopying: () => {
            if (plan.killTargetDuringCopy) void target.call("cancel", {}).catch(() => {});
          },
          ...((plan.stretchPauseMs || plan.abortAfterStop) && {
            beforeSwitchover: async () => {
              await delay(plan.stretchPauseMs ?? 0);
              if (plan.abortAfterStop) throw new Error("fault: aborted after the guest was stopped");
            },
          }),
          ...(limits.allowPostCopy && {
            postCopy: {
              from: tooLong.signal,
              bandwidth: plan.postCopyBandwidth ?? params.bandwidth,
              onSwitched: () => {
                this.#migration = { ...this.#migration!, hasSwitched: true };
                this.#changed();
                if (plan.breakAfterSwitchMs !== undefined)
                  void breakLater(machine, target, plan.breakAfterSwitchMs).catch(() => {});
              },
            },
          }),
        });
        journal("migration-started", result.startedAt);
        journal("stopped", result.stoppedAt);
        await target.call("finish", {}, { deadline: arrivalDeadline });
        const { downtimeMs, totalMs, bytes } = result;
        journal("migration-completed", monotonicNow(), { downtimeMs, totalMs, bytes });
      } catch (error) {
        await target.call("cancel", {}).catch(() => {});
        // What is left here after a switch is no guest either.
        if (this.#migration?.hasSwitched) await machine.kill();
        else await machine.qmp.execute("cont").catch(() => {});
        throw error;
      }
      this.#departure = { at: performance.now(), staysMs: plan.sourceEndMs };
      this.#migration = { ...this.#migration!, endTimestamp: timestamp() };
      this.#state = "migrated";
      await delay(confirmation);
      await machine.kill();
      this.#changed();
      this.#leave(0, Math.max(patience.ended, plan.sourceEndMs));
    } catch (error) {
      const aborted = this.#migration?.aborted === true;
      const reason = aborted
        ? "Live migration has been aborted"
        : error instanceof Error
          ? error.message
          : String(error);
      journal("migration-failed", monotonicNow(), { reason });
      this.#migration = { ...this.#migration!, endTimestamp: timestamp(), failed: true, reason };
      this.#changed();
    } finally {
      over.abort();
    }
  }

  /** Aborts a copy that makes no progress, or takes too long where that may not make it a post-copy. */
  async #supervise(
    machine: Machine,
    domain: Domain,
    { uid, limits }: { uid: string; limits: MigrationLimits },
    { over, tooLong }: { over: AbortSignal; tooLong: AbortController },
  ): Promise<void> {
    const verdict = await superviseMigration(machine.qmp, limits, domain.memoryMiB, over);
    if (verdict === undefined) return;
    const { reason } = verdict;
    const isAborted = verdict.do === "abort";
    this.#options.journal(isAborted ? "migration-aborted" : "post-copy", monotonicNow(), {
      migration: uid,
      reason,
    });
    return isAborted ? this.abort({ uid }) : tooLong.abort();
  }

  #arrive(uid: string, resumedAt: bigint, { bereavedMs }: Plan): void {
    this.#options.journal("resumed", resumedAt, { migration: uid });
    this.#migration = { ...this.#migration!, readyTimestamp: timestamp() };
    this.#crashPatience = bereavedMs;
    this.#become("running");
  }

  /** libvirt's job outlives the memory's arrival by a moment; KubeVirt waits for its end by asking. */
  async #endIncomingJob(): Promise<void> {
    await delay(jobPoll);
    if (this.#migration) this.#migration = { ...this.#migration, endTimestamp: timestamp() };
    this.#changed();
  }

  async #serveDhcp(network: PodNetwork, mac: string): Promise<void> {
    const { hostname, dns } = this.#options;
    const lease = leaseFor(network, { hostname, dns });
    if (lease === undefined) return;
    this.#dhcp ??= await startDhcpServer();
    this.#dhcp.serve({ mac, lease });
  }

  async #run(domain: Domain, incoming: boolean): Promise<void> {
    const { guest, directory } = this.#options;
    const machine = await startMachine({
      ...guest,
      domain,
      directory,
      tap: binding.tap,
      incoming,
    });
    this.#domain = domain;
    this.#machine = machine;
    let poweredOff = false;
    machine.qmp.subscribe((event) => {
      if (event.event === "SHUTDOWN") poweredOff = event.data.guest === true;
    });
    void machine.exited.then(() => {
      if (this.#state === "migrated") return;
      this.#become(poweredOff ? "shutoff" : "crashed");
      if (poweredOff) this.#leave(0, patience.ended);
      else this.#leave(1, this.#crashPatience);
    });
  }

  #leave(code: number, afterMs: number): void {
    setTimeout(() => this.#options.onExit(code), afterMs);
  }

  #become(state: DomainState): void {
    this.#state = state;
    this.#changed();
  }

  #changed(): void {
    this.#options.onStatus(this.status());
  }
}
