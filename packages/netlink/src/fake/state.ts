import { NetlinkError, type NetlinkErrorCode } from "../error.ts";
import type { InterfaceAddress } from "../interface-address.ts";
import type { Link } from "../link.ts";
import type { Neighbour } from "../neighbour.ts";
import type { Route } from "../route.ts";
import type { EventGroup, RouteEvent } from "../route-event.ts";
import type { Rule } from "../rule.ts";

/** An event before it is given its time. */
export type Change = RouteEvent extends infer E ? (E extends RouteEvent ? Omit<E, "at"> : never) : never;

export interface Subscriber {
  readonly groups: readonly EventGroup[];
  readonly deliver: (change: Change) => void;
}

/** What one namespace of the kernel holds, in memory. */
export class FakeState {
  readonly links = new Map<number, Link>();
  routes: Route[] = [];
  addresses: InterfaceAddress[] = [];
  neighbours: Neighbour[] = [];
  rules: Rule[] = [];
  readonly subscribers = new Set<Subscriber>();

  emit(change: Change): void {
    for (const subscriber of this.subscribers) {
      if (change.type === "resync" || subscriber.groups.includes(change.type)) subscriber.deliver(change);
    }
  }

  link(index: number, operation: string): Link {
    const link = this.links.get(index);
    if (link !== undefined) return link;
    throw failure("NoDevice", "ENODEV", operation, `dev ${index}`);
  }
}

export const failure = (
  code: NetlinkErrorCode,
  errno: string,
  operation: string,
  object: string,
): NetlinkError => new NetlinkError({ code, errno, operation, object });
