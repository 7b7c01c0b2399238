import { createFakeWorkloadRoutes } from "@fairlead/routes/fake";
import { expect, it } from "vitest";
import { createEndpointRoutes } from "./endpoint-routes.ts";
import { fakeAttachment } from "./fakes.fixture.ts";
import { createFakeTimeline } from "./timeline.ts";

const vm = fakeAttachment("b");

/** What the last run left: a route to each address of the VM. */
function setUp(...metrics: readonly number[]) {
  const routes = createFakeWorkloadRoutes();
  const linkIndex = routes.addInterface(vm.hostInterface);
  for (const destination of ["10.244.0.1/32", "fd00:10:244::1/128"])
    for (const metric of metrics)
      routes.kernel.routes.prepend({
        destination,
        linkIndex,
        metric,
        table: 254,
        protocol: 80,
        scope: "link",
      });
  return createEndpointRoutes({
    routes,
    timeline: createFakeTimeline(),
    macOf: () => undefined,
    onError: (error) => expect.unreachable(String(error)),
  });
}

it.each([
  ["none", [], "withdrawn", 0],
  ["the normal ones", [1024], "normal", 0],
  ["elevated ones beside others", [1024, 509, 4000], "elevated", 3],
  ["those of priorities that the cluster has changed since", [2000], "normal", 0],
] as const)("what an earlier run left is seen: %s", (_, metrics, priority, rank) => {
  const routes = setUp(...metrics);
  expect([routes.read(vm), routes.rankOf(vm)]).toEqual([priority, rank]);
});
