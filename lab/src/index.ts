/** For programs that run inside the lab (`lab run -- PROGRAM`): its machines, VMs, probes and watchers. */
export { ask } from "./control/client.ts";
export * from "./experiment/echo-pod.ts";
export * from "./experiment/guest.ts";
export * from "./experiment/machines.ts";
export * from "./experiment/probes.ts";
export * from "./experiment/upgrade.ts";
export * from "./experiment/virtual-machine.ts";
export { inside } from "./first/paths.ts";
export type { Faults } from "./kubevirt/faults.ts";
export { now } from "./probe/clock.ts";
export type { ProbePlan, Recording } from "./probe/recording.ts";
export { type RouteChange, watchRoutes } from "./probe/route-watch.ts";
export { computeFigures, type ProbeFigures, type Window } from "./probe/statistics.ts";
