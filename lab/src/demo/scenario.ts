/** The demo's story: a VM moves twice and is then stopped and started, while probes run. Runs inside the lab. */
import { type ApiClient, kinds } from "@fairlead/api";
import { NetworkNamespace } from "@fairlead/netlink";
import type { NodeStatus } from "../control/protocol.ts";
import { LabError } from "../error.ts";
import { readGuestStatus } from "../experiment/guest.ts";
import { listMachines, readLines, waitFor } from "../experiment/machines.ts";
import { type ProbeRun, planProbes, probeFromMachine, probeFromPod } from "../experiment/probes.ts";
import {
  createVm,
  migrateVm,
  type RunningVm,
  restartVm,
  waitUntilRunning,
} from "../experiment/virtual-machine.ts";
import type { JournalEntry } from "../kubevirt/journal.ts";
import { now } from "../probe/clock.ts";
import type { Recording } from "../probe/recording.ts";
import type { RouteChange } from "../probe/route-watch.ts";
import { watchRoutes } from "../probe/route-watch.ts";
import type { MigrationObservation } from "./observation.ts";
import { metrics, type Report, reportMigration } from "./report.ts";

const vmName = "traveller";

/** A line of the agent's `/run/fairlead/events.jsonl` that the report uses. */
interface AgentEvent {
  readonly event: string;
  readonly at: string;
  readonly endpoint: string;
  readonly kind?: "rarp" | "garp" | "na";
  readonly packets?: number;
}

/** What a run of the demo produces. */
export interface Outcome {
  readonly report: Report;
  readonly observations: readonly MigrationObservation[];
}

/** A migration seen, before the recordings of the probes that outlive it are there. */
type Unrecorded = Omit<MigrationObservation, "recordings"> & { readonly pod: readonly Recording[] };

/** Runs the whole demo; `tell` reports each step to the person in front of the terminal. */
export async function runScenario(
  client: ApiClient,
  versions: Report["versions"],
  tell: (step: string) => void,
): Promise<Outcome> {
  const machines = await listMachines();
  const workers = machines.filter(({ role }) => role === "worker");
  const outside = need(machines, "client");

  tell("starting a VM");
  await createVm(client, vmName);
  const vm = await waitUntilRunning(client, vmName);
  tell(`the VM runs on ${vm.node} with ${vm.ipv4} and ${vm.ipv6}`);

  const routes: RouteChange[] = [];
  using watches = new DisposableStack();
  for (const machine of [...workers, need(machines, "tor")])
    watches.use(
      watchRoutes({
        netns: NetworkNamespace.open({ pid: machine.pid }),
        where: machine.name,
        addresses: [vm.ipv4, vm.ipv6],
        onChange: (change) => routes.push(change),
      }),
    );

  await using fromClient = await probeFromMachine(outside, planProbes("client", vm));
  tell("probes from the external client are answered");
  const { bootId } = await readGuestStatus(outside, vm.ipv4);

  const migrations: Unrecorded[] = [];
  let current = vm;
  for (const target of workers.filter(({ name }) => name !== vm.node).slice(0, 2)) {
    const bystander = workers.find(({ name }) => name !== current.node && name !== target.name);
    if (!bystander)
      throw new LabError("BadTopology", "the demo needs three workers; look at the topology file");
    await using fromPod = await probeFromPod(client, bystander, planProbes("pod", vm));
    tell(`migrating from ${current.node} to ${target.name}; a pod on ${bystander.name} probes as well`);
    migrations.push(await observeMigration(client, current, target, routes, fromPod));
    current = await waitUntilRunning(client, vmName);
    tell(`the VM runs on ${current.node}, its routes have normal priority again`);
  }
  const keptRunning = (await readGuestStatus(outside, vm.ipv4)).bootId === bootId;
  const recordings = await fromClient.stop();
  watches.dispose();

  tell("stopping the VM and starting it again");
  const restarted = await restartVm(client, vmName);
  const observations = migrations.map(({ pod, ...rest }) => ({
    ...rest,
    recordings: [...recordings, ...pod],
  }));
  return {
    report: {
      vm: {
        ipv4: vm.ipv4,
        ipv6: vm.ipv6,
        addressKept: current.ipv4 === vm.ipv4 && current.ipv6 === vm.ipv6,
        keptRunning,
        afterRestart: { ipv4: restarted.ipv4, ipv6: restarted.ipv6 },
      },
      migrations: observations.map(reportMigration),
      versions,
    },
    observations,
  };
}

async function observeMigration(
  client: ApiClient,
  from: RunningVm,
  target: NodeStatus,
  routes: readonly RouteChange[],
  fromPod: ProbeRun,
): Promise<Unrecorded> {
  const machines = await listMachines();
  const requestedAt = now();
  const migration = await migrateVm(client, vmName, target.name);
  await waitFor(`normal priority of the VM's routes on ${target.name}`, 90, () =>
    hasReverted(routes, target.name, requestedAt) ? true : undefined,
  );
  const window = { from: requestedAt, to: now() };
  const pod = await fromPod.stop();

  const uid = migration.metadata.uid;
  const journal = [need(machines, from.node), target].flatMap((machine) =>
    readLines<JournalEntry>(machine, "/run/kubevirt/events.jsonl").filter(
      (entry) => toMs(entry.at) >= requestedAt && (entry.migration === undefined || entry.migration === uid),
    ),
  );
  const find = (event: JournalEntry["event"]) => {
    const entry = journal.find((candidate) => candidate.event === event);
    if (!entry)
      throw new LabError(
        "CommandFailed",
        `QEMU did not report "${event}" of the migration to ${target.name}`,
      );
    return entry;
  };
  const completed = find("migration-completed");
  const eventsOf = (machine: NodeStatus) =>
    readLines<AgentEvent>(machine, "/run/fairlead/events.jsonl").filter(
      ({ at }) => toMs(at) >= requestedAt && toMs(at) < window.to,
    );
  const agent = eventsOf(target);
  const stragglers = eventsOf(need(machines, from.node)).reduce((sum, { packets = 0 }) => sum + packets, 0);
  const announcement = agent.find(({ event }) => event === "announcement");
  const policyReady = agent.find(({ event }) => event === "policy-ready");
  return {
    from: from.node,
    to: target.name,
    requestedAt,
    guest: {
      stoppedAt: toMs(find("stopped").at),
      resumedAt: toMs(find("resumed").at),
      totalMs: completed.totalMs ?? Number.NaN,
    },
    ...(announcement?.kind && { announcement: { kind: announcement.kind, at: toMs(announcement.at) } }),
    ...(policyReady && { policyReadyAt: toMs(policyReady.at) }),
    stragglers,
    routes: routes.filter(({ at }) => at >= requestedAt),
    targetAddresses: await addressesOf(client, target.name),
    window,
    pod,
  };
}

/** The target's kernel has the normal routes of both families and no longer the elevated ones. */
function hasReverted(routes: readonly RouteChange[], node: string, since: number): boolean {
  return ([4, 6] as const).every((family) => {
    const mine = routes.filter(
      (route) =>
        route.where === node && route.origin === "workload" && route.family === family && route.at >= since,
    );
    const last = (metric: number) => mine.filter((route) => route.metric === metric).at(-1)?.change;
    return last(metrics.normal) === "added" && last(metrics.elevated) === "removed";
  });
}

async function addressesOf(client: ApiClient, node: string): Promise<string[]> {
  const { status } = await client.get(kinds.Node, { name: node });
  return (status?.addresses ?? []).map(({ address }) => address);
}

function need(machines: readonly NodeStatus[], name: string): NodeStatus {
  const machine = machines.find((candidate) => candidate.name === name);
  if (!machine) throw new LabError("UnknownNode", `the topology has no machine ${name}`);
  return machine;
}

function toMs(at: string): number {
  return Number(BigInt(at)) / 1e6;
}
