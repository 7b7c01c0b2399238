/**
 * Workload routes over a kernel in memory: the real logic, `createFakeRouteSocket` underneath.
 *
 * @packageDocumentation
 */
import { createFakeRouteSocket, type FakeRouteSocket } from "@fairlead/netlink/fake";
import { createWorkloadRoutes } from "./create-workload-routes.ts";
import type { WorkloadRoutes, WorkloadRoutesOptions } from "./workload-routes.ts";

/** Workload routes with a kernel that tests can look into and tamper with. */
export interface FakeWorkloadRoutes extends WorkloadRoutes {
  /** What the kernel holds; change it behind the routes' back. */
  readonly kernel: FakeRouteSocket;
  /** A host-side veth, up; returns its index. */
  addInterface(name: string): number;
}

/** The real reconciliation over a kernel in memory. */
export function createFakeWorkloadRoutes(
  options: Omit<WorkloadRoutesOptions, "route"> = {},
): FakeWorkloadRoutes {
  const kernel = createFakeRouteSocket();
  const routes = createWorkloadRoutes({ ...options, route: kernel });
  return {
    kernel,
    addInterface: (name) =>
      kernel.links.add({ kind: "veth", name, up: true, peer: { name: `p${name}`.slice(0, 15), up: true } })
        .index,
    set: (key, workload) => routes.set(key, workload),
    setState: (key, state, rank) => routes.setState(key, state, rank),
    planState: (key, state, rank) => routes.planState(key, state, rank),
    remove: (key) => routes.remove(key),
    get: (key) => routes.get(key),
    installed: () => routes.installed(),
    reconcile: (beforeComparing) => routes.reconcile(beforeComparing),
    run: (runOptions) => routes.run(runOptions),
  };
}
