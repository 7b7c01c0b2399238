/**
 * The kernel's routing in memory: one namespace, by the kernel's rules as far as `RouteSocket` shows them. It passes the same cases as the real
 * one (`route-socket.cases.ts`).
 *
 * @packageDocumentation
 */
import { monotonicNow } from "./clock.ts";
import { FakeInterfaceAddresses } from "./fake/addresses.ts";
import { FakeLinks } from "./fake/links.ts";
import { FakeNeighbours } from "./fake/neighbours.ts";
import { FakeRoutes } from "./fake/routes.ts";
import { FakeRules } from "./fake/rules.ts";
import { FakeState, type Subscriber } from "./fake/state.ts";
import type { EventGroup, RouteEvent, SubscribeOptions, Subscription } from "./route-event.ts";
import type { RouteSocket } from "./route-socket.ts";

/** A `RouteSocket` without a kernel. */
export interface FakeRouteSocket extends RouteSocket {
  /** Subscribers are told that events were lost. */
  overrun(): void;
}

/** A fresh namespace: only a loopback link that is down. */
export function createFakeRouteSocket(): FakeRouteSocket {
  const state = new FakeState();
  const links = new FakeLinks(state);
  const routes = new FakeRoutes(state);
  const addresses = new FakeInterfaceAddresses(state, routes);
  links.onUp = (index) => {
    for (const address of addresses.list({ linkIndex: index })) addresses.connect(address);
  };
  const close = () => state.subscribers.clear();
  return {
    links,
    routes,
    addresses,
    neighbours: new FakeNeighbours(state),
    rules: new FakeRules(state),
    subscribe: (groups, onEvent, options) => subscribe(state, groups, onEvent, options),
    overrun: () => state.emit({ type: "resync", reason: "overrun" }),
    close,
    [Symbol.dispose]: close,
  };
}

/** As from the kernel, events come later than the call that caused them. */
function subscribe(
  state: FakeState,
  groups: readonly EventGroup[],
  onEvent: (event: RouteEvent) => void,
  { signal }: SubscribeOptions = {},
): Subscription {
  signal?.throwIfAborted();
  const subscriber: Subscriber = {
    groups,
    deliver(change) {
      const event: RouteEvent = { ...change, at: monotonicNow() };
      queueMicrotask(() => {
        if (state.subscribers.has(subscriber)) onEvent(event);
      });
    },
  };
  const close = () => {
    state.subscribers.delete(subscriber);
    signal?.removeEventListener("abort", close);
  };
  signal?.addEventListener("abort", close, { once: true });
  state.subscribers.add(subscriber);
  subscriber.deliver({ type: "resync", reason: "started" });
  return { close, [Symbol.dispose]: close };
}
