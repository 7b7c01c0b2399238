/** The fast path after an announcement: both families of a VM change priority. The floor is the same four messages in one batch. */
import { monotonicNow, NetworkNamespace, type RouteChange, RouteSocket } from "@fairlead/netlink";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import { createWorkloadRoutes } from "../src/index.ts";

const ROUNDS = 2000;
const WORKLOADS = 250;

export default async function bench(bench: Bench): Promise<void> {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  const { index: linkIndex } = route.links.add({
    kind: "veth",
    name: "cali0",
    up: true,
    peer: { name: "peer", up: true },
  });
  const routes = createWorkloadRoutes({ route });
  for (let i = 0; i < WORKLOADS; i++) {
    const addresses = [`10.0.0.${i}`, `fd00::${i.toString(16)}`];
    routes.set(`vm-${i}`, { interfaceName: "cali0", addresses, state: "normal" });
  }
  let metric = 1024;
  const floor = median(() => {
    const [before, after] = [metric, metric === 1024 ? 512 : 1024];
    metric = after;
    const of = (value: number) =>
      ["10.1.0.1/32", "fd01::1/128"].map((destination) => ({
        destination,
        linkIndex,
        metric: value,
        protocol: 80,
      }));
    route.routes.batch([
      ...of(after).map((one): RouteChange => ({ op: "add", route: one })),
      ...of(before).map((one): RouteChange => ({ op: "delete", route: one })),
    ]);
  });
  let elevated = false;
  const elevate = median(() => {
    elevated = !elevated;
    routes.setState("vm-7", elevated ? "elevated" : "normal");
  });
  const batch = { name: "four messages in a batch", value: floor };
  bench.report({
    name: "routes: elevate both families of a VM, median",
    value: elevate,
    unit: "µs",
    floor: batch,
  });
  const list = median(() => route.routes.list({ table: 254 }), 20);
  const reconcile = median(() => routes.reconcile(), 20);
  const dump = { name: "list of the table", value: list };
  bench.report({
    name: `routes: reconcile ${WORKLOADS} VMs, nothing to do`,
    value: reconcile,
    unit: "µs",
    floor: dump,
  });
}

const median = (run: () => void, rounds = ROUNDS): number => {
  const samples = Array.from({ length: rounds }, () => {
    const start = monotonicNow();
    run();
    return Number(monotonicNow() - start) / 1000;
  });
  return quantile(samples, 0.5);
};
