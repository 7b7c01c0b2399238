/** What every `RouteSocket` does, the kernel's and the fake. */
import { addressCases } from "./address.cases.ts";
import { linkCases } from "./link.cases.ts";
import { routeCases } from "./route.cases.ts";
import type { RouteSocketCase } from "./route-socket.fixture.ts";
import { subscriptionCases } from "./subscription.cases.ts";

export const routeSocketCases: readonly RouteSocketCase[] = [
  ...linkCases,
  ...routeCases,
  ...addressCases,
  ...subscriptionCases,
];
