import { expect, test } from "vitest";
import { createFakeRouteSocket } from "./fake.ts";
import type { RouteEvent } from "./route-event.ts";
import { routeSocketCases } from "./route-socket.cases.ts";

test.each(routeSocketCases)("fake: $name", async ({ run }) => {
  using route = createFakeRouteSocket();
  await run(route);
});

test("an overrun tells every subscriber to resync", async () => {
  using route = createFakeRouteSocket();
  const events: RouteEvent[] = [];
  route.subscribe([], (event) => events.push(event));
  route.overrun();
  await Promise.resolve();
  expect(events.map((event) => event.type === "resync" && event.reason)).toEqual(["started", "overrun"]);
});
