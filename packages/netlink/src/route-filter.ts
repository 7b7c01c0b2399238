import type { Route, RouteFilter } from "./route.ts";

/** Whether a route is one of those asked for. The kernel filters too, but older ones not at all, and none by destination. */
export const matchesRoute = (route: Route, filter: RouteFilter): boolean =>
  (filter.table === undefined || filter.table === route.table) &&
  (filter.protocol === undefined || filter.protocol === route.protocol) &&
  (filter.type === undefined || filter.type === route.type) &&
  (filter.destination === undefined || filter.destination === route.destination) &&
  (filter.linkIndex === undefined ||
    filter.linkIndex === route.linkIndex ||
    (route.nextHops ?? []).some((hop) => hop.linkIndex === filter.linkIndex));
