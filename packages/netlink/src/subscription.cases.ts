/** What every `RouteSocket` does with subscriptions. */
import assert from "node:assert/strict";
import type { RouteEvent } from "./route-event.ts";
import { type RouteSocketCase, until, wire } from "./route-socket.fixture.ts";

export const subscriptionCases: readonly RouteSocketCase[] = [
  {
    name: "a subscriber is told to resync first, then of each change, and nothing after it closed",
    async run(route) {
      const events: RouteEvent[] = [];
      const subscription = route.subscribe(["link", "route"], (event) => events.push(event));
      await until(() => events.length === 1);
      assert.equal(events[0]?.type, "resync");
      const { index } = wire(route);
      route.routes.add({ destination: "10.9.0.1/32", linkIndex: index, metric: 5, protocol: 80 });
      route.routes.delete({ destination: "10.9.0.1/32", metric: 5 });
      const ours = () =>
        events.flatMap((event) =>
          event.type === "route" && event.route.protocol === 80 ? [event.change] : [],
        );
      await until(() => ours().length === 2);
      assert.deepEqual(ours(), ["new", "delete"]);
      assert.ok(events.some((event) => event.type === "link" && event.link.name === "cali0"));
      const count = events.length;
      subscription.close();
      subscription.close();
      route.links.delete(index);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(events.length, count);
    },
  },
  {
    name: "a subscription ends with its signal",
    async run(route) {
      const events: RouteEvent[] = [];
      const controller = new AbortController();
      route.subscribe(["link"], (event) => events.push(event), { signal: controller.signal });
      await until(() => events.length > 0);
      controller.abort();
      wire(route);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(events.length, 1);
      assert.throws(() => route.subscribe(["link"], () => {}, { signal: controller.signal }), {
        name: "AbortError",
      });
    },
  },
];
