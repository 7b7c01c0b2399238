import { NetworkNamespace, RouteSocket } from "@fairlead/netlink";
import { test } from "vitest";
import { workloadRoutesCases } from "./workload-routes.cases.ts";

test.each(workloadRoutesCases)("kernel: $name", async ({ run }) => {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  await run(route);
});
