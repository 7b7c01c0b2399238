/** One VM with probes on the lab, and what every suite asks of it. */
import { type ApiClient, createApiClient, kinds } from "@fairlead/api";
import {
  computeFigures,
  createVm,
  deleteVm,
  inside,
  listMachines,
  now,
  type ProbeFigures,
  type ProbeRun,
  planProbes,
  probeFromMachine,
  type RouteChange,
  type RunningVm,
  waitUntilRunning,
  watchRoutes,
} from "@fairlead/lab";
import { NetworkNamespace } from "@fairlead/netlink";

/** A probe's name and figures. */
export type NamedFigures = ProbeFigures & { readonly name: string };

/** A running VM that is probed from the external client, and every change of its routes in every kernel. */
export interface Stage extends AsyncDisposable {
  readonly client: ApiClient;
  readonly vmName: string;
  readonly vm: RunningVm;
  readonly workers: readonly string[];
  readonly routes: readonly RouteChange[];
  /** Ends the probes and returns their figures since `from`. */
  endProbes(from: number): Promise<readonly NamedFigures[]>;
}

/** Seconds of convergence in these suites: long enough to be seen, short enough to wait for. */
export const convergenceSeconds = 4;

/**
 * Creates the VM and waits until every probe has been answered.
 *
 * @param udpIntervalMs a guest under software emulation answers a hundred datagrams a second without fail, also while it is copied
 */
export async function setStage(vmName: string, udpIntervalMs = 10): Promise<Stage> {
  const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
  const machines = await listMachines();
  await client.patch(
    kinds.FelixConfiguration,
    { name: "default" },
    { spec: { liveMigrationRouteConvergenceTime: `${convergenceSeconds}s` } },
    { type: "merge" },
  );
  await createVm(client, vmName);
  const vm = await waitUntilRunning(client, vmName);
  const routes: RouteChange[] = [];
  const watches = machines
    .filter(({ role }) => role === "worker" || role === "router")
    .map(({ name, pid }) =>
      watchRoutes({
        netns: NetworkNamespace.open({ pid }),
        where: name,
        addresses: [vm.ipv4, vm.ipv6],
        onChange: (change) => routes.push(change),
      }),
    );
  const outside = machines.find(({ role }) => role === "client")!;
  let probes: ProbeRun | undefined = await probeFromMachine(outside, planProbes("client", vm, udpIntervalMs));
  return {
    client,
    vmName,
    vm,
    routes,
    workers: machines.filter(({ role }) => role === "worker").map(({ name }) => name),
    async endProbes(from) {
      const recordings = (await probes?.stop()) ?? [];
      probes = undefined;
      return recordings.map((recording) => ({
        name: recording.plan.name,
        ...computeFigures(recording, { from, to: now() - 1000 }),
      }));
    },
    async [Symbol.asyncDispose]() {
      await probes?.stop();
      for (const watch of watches) watch.close();
      await deleteVm(client, vmName);
      await client.close();
    },
  };
}
