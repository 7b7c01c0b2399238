/**
 * One number runs from the kernel to every router: the metric of a workload route. In the kernel a lower metric wins, in BGP a
 * higher local preference wins, so one is the other subtracted from the largest 31-bit number.
 */

/** The sum of a route's kernel metric and its BGP local preference. */
export const priorityCeiling = 2_147_483_647;

/** Kernel metrics of workload routes. `withdrawn` is the absence of a route. */
export const defaultPriority = { normal: 1024, elevated: 512 } as const;

/**
 * BIRD's preference decides between protocols before any BGP attribute is looked at (a BGP route has 100, a route learned from
 * the kernel 10). A local workload beats what others say about it, unless they say it is elevated; a local elevated route beats all.
 */
export const preference = { localNormal: 150, remoteElevated: 200, localElevated: 300 } as const;

/** Route protocol (`rtm_protocol`) of the workload routes that may be announced. */
export const workloadRouteProtocol = 80;

/** BGP local preference of a kernel metric (1 to 2147483646). */
export function localPreferenceOf(metric: number): number {
  return priorityCeiling - metric;
}

/** Kernel metric of a BGP local preference. */
export function metricOf(localPreference: number): number {
  return priorityCeiling - localPreference;
}
