import { NetlinkError } from "./error.ts";
import { type Family, familyOfText } from "./ip.ts";
import {
  type BatchItem,
  type NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from "./netlink-socket.ts";
import type { Route, RouteChange, RouteFilter, RouteKey, RouteSpec, Routes } from "./route.ts";
import {
  decodeRoute,
  describeRoute,
  encodeLookup,
  encodeRoute,
  encodeRouteFilter,
  encodeRouteKey,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
} from "./route-codec.ts";
import { matchesRoute } from "./route-filter.ts";

const newFlags = {
  add: NLM_F_CREATE | NLM_F_EXCL,
  prepend: NLM_F_CREATE,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
} as const;

/** `Routes` of the kernel. */
export class KernelRoutes implements Routes {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  list(filter: RouteFilter = {}): Route[] {
    const family =
      filter.family ?? (filter.destination === undefined ? undefined : familyOfText(filter.destination));
    const families: readonly Family[] = family === undefined ? [4, 6] : [family];
    return families.flatMap((one) => this.#dump(one, filter));
  }

  #dump(family: Family, filter: RouteFilter): Route[] {
    try {
      return this.#read(family, filter);
    } catch (error) {
      // A table without routes does not exist.
      if (filter.table !== undefined && NetlinkError.is(error) && error.code === "NotFound") return [];
      throw error;
    }
  }

  #read(family: Family, filter: RouteFilter): Route[] {
    return this.#socket.dump(
      RTM_GETROUTE,
      (writer) => encodeRouteFilter(writer, filter, family),
      ({ payload }) => {
        const route = decodeRoute(payload);
        return route !== undefined && matchesRoute(route, filter) ? route : undefined;
      },
      () => ({ operation: "list routes" }),
    );
  }

  add(route: RouteSpec): void {
    this.#make({ op: "add", route });
  }

  prepend(route: RouteSpec): void {
    this.#make({ op: "prepend", route });
  }

  replace(route: RouteSpec): void {
    this.#make({ op: "replace", route });
  }

  delete(route: RouteKey): void {
    this.#make({ op: "delete", route });
  }

  lookup(address: string): Route {
    let found: Route | undefined;
    const describe = () => ({ operation: "look up route to", object: address });
    this.#socket.request(
      RTM_GETROUTE,
      0,
      (writer) => encodeLookup(writer, address),
      describe,
      ({ payload }) => {
        found = decodeRoute(payload, "with cached");
      },
    );
    if (found !== undefined) return found;
    throw new NetlinkError({ code: "Unreachable", ...describe() });
  }

  batch(changes: readonly RouteChange[]): (NetlinkError | undefined)[] {
    return this.#socket.batch(changes.map(item));
  }

  #make(change: RouteChange): void {
    const { type, flags, write, describe } = item(change);
    this.#socket.request(type, flags, write, describe);
  }
}

function item(change: RouteChange): BatchItem {
  const describe = () => ({ operation: `${change.op} route`, object: describeRoute(change.route) });
  if (change.op === "delete") {
    const { route } = change;
    return { type: RTM_DELROUTE, flags: 0, write: (writer) => encodeRouteKey(writer, route), describe };
  }
  const { route } = change;
  return {
    type: RTM_NEWROUTE,
    flags: newFlags[change.op],
    write: (writer) => encodeRoute(writer, route),
    describe,
  };
}
