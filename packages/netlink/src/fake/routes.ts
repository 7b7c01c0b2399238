import { NetlinkError } from "../error.ts";
import { type Family, familyOfText, formatPrefix, parseAddress, parsePrefix } from "../ip.ts";
import { contains, maskedPrefix } from "../prefix.ts";
import type { Route, RouteChange, RouteFilter, RouteKey, RouteSpec, Routes } from "../route.ts";
import { defaultScope, describeRoute, MAIN_TABLE } from "../route-codec.ts";
import { matchesRoute } from "../route-filter.ts";
import { type FakeState, failure } from "./state.ts";

type Verb = "add" | "prepend" | "replace";

/** `Routes` in memory, by the kernel's rules. Table 255 (local addresses) stays empty. */
export class FakeRoutes implements Routes {
  readonly #state: FakeState;

  constructor(state: FakeState) {
    this.#state = state;
  }

  list(filter: RouteFilter = {}): Route[] {
    const family =
      filter.family ?? (filter.destination === undefined ? undefined : familyOfText(filter.destination));
    return ordered(this.#state.routes).filter(
      (route) => (family === undefined || route.family === family) && matchesRoute(route, filter),
    );
  }

  add(route: RouteSpec): void {
    this.#put("add", route);
  }

  prepend(route: RouteSpec): void {
    this.#put("prepend", route);
  }

  replace(route: RouteSpec): void {
    this.#put("replace", route);
  }

  #put(verb: Verb, spec: RouteSpec): void {
    const fail = (code: "Invalid" | "AlreadyExists", errno: string) =>
      failure(code, errno, `${verb} route`, describeRoute(spec));
    const route = this.#resolve(verb, spec);
    const rivals = this.#state.routes.filter((other) => isRival(other, route));
    if (verb === "add" && rivals.length > 0) throw fail("AlreadyExists", "EEXIST");
    if (verb === "prepend" && rivals.some((other) => isSame(other, route)))
      throw fail("AlreadyExists", "EEXIST");
    const replaced = verb === "replace" ? rivals[0] : undefined;
    if (replaced === undefined) this.#state.routes.unshift(route);
    else this.#state.routes[this.#state.routes.indexOf(replaced)] = route;
    this.#state.emit({ type: "route", change: "new", route });
  }

  /** Completes a route as the kernel does, or refuses it. */
  #resolve(verb: Verb, spec: RouteSpec): Route {
    const operation = `${verb} route`;
    const object = describeRoute(spec);
    const { family, address, length } = parsePrefix(spec.destination);
    const masked = maskedPrefix(address, length);
    if (family === 4 && !masked.equals(address)) throw failure("Invalid", "EINVAL", operation, object);
    const type = spec.type ?? "unicast";
    const hops = spec.nextHops?.map((hop) => ({
      ...hop,
      linkIndex: this.#hop(hop, family, operation, object),
    }));
    const forwards = type === "unicast" && hops === undefined;
    const linkIndex = forwards ? this.#hop(spec, family, operation, object) : spec.linkIndex;
    const metric = spec.metric ?? 0;
    return {
      family,
      destination: formatPrefix(masked, length),
      table: spec.table ?? MAIN_TABLE,
      type,
      scope: family === 6 ? "global" : defaultScope(spec),
      protocol: spec.protocol ?? 4,
      metric: family === 6 && metric === 0 ? 1024 : metric,
      linkIndex: family === 6 && !forwards && hops === undefined ? (linkIndex ?? 1) : linkIndex,
      gateway: spec.gateway,
      preferredSource: spec.preferredSource,
      onlink: spec.onlink ?? false,
      nextHops: hops,
      mtu: spec.mtu,
      linkDown: false,
      preference: family === 6 ? (spec.preference ?? "medium") : undefined,
    };
  }

  /** The link a hop goes out of. */
  #hop(
    hop: { readonly linkIndex?: number; readonly gateway?: string; readonly onlink?: boolean },
    family: Family,
    operation: string,
    object: string,
  ): number {
    if (hop.linkIndex !== undefined) {
      const link = this.#state.link(hop.linkIndex, operation);
      if (!link.up) throw failure("NetworkDown", "ENETDOWN", operation, object);
      if (hop.gateway === undefined || hop.onlink === true) return hop.linkIndex;
    }
    if (hop.gateway === undefined) throw failure("NoDevice", "ENODEV", operation, object);
    const gateway = parseAddress(hop.gateway);
    const via = this.#state.routes.find(
      (route) =>
        route.gateway === undefined &&
        route.linkIndex !== undefined &&
        (hop.linkIndex === undefined || hop.linkIndex === route.linkIndex) &&
        contains(route.destination, gateway),
    );
    if (via?.linkIndex !== undefined) return via.linkIndex;
    throw failure("Unreachable", family === 4 ? "ENETUNREACH" : "EHOSTUNREACH", operation, object);
  }

  delete(key: RouteKey): void {
    const { address, length } = parsePrefix(key.destination);
    const destination = formatPrefix(address, length);
    const metric = key.metric === 0 ? undefined : key.metric;
    const index = ordered(this.#state.routes).find(
      (route) =>
        route.destination === destination &&
        route.table === (key.table ?? MAIN_TABLE) &&
        (metric === undefined || metric === route.metric) &&
        (key.protocol === undefined || key.protocol === route.protocol) &&
        (key.linkIndex === undefined || key.linkIndex === route.linkIndex) &&
        (key.gateway === undefined || key.gateway === route.gateway) &&
        (key.type === undefined || key.type === route.type || route.family === 6) &&
        (key.scope === undefined || key.scope === route.scope || route.family === 6),
    );
    if (index === undefined) throw failure("NotFound", "ESRCH", "delete route", describeRoute(key));
    this.#state.routes = this.#state.routes.filter((route) => route !== index);
    this.#state.emit({ type: "route", change: "delete", route: index });
  }

  lookup(address: string): Route {
    const bytes = parseAddress(address);
    const [best] = ordered(this.#state.routes)
      .filter((route) => route.table === MAIN_TABLE && contains(route.destination, bytes))
      .sort((a, b) => prefixLength(b) - prefixLength(a));
    if (best === undefined || best.type !== "unicast") {
      throw failure("Unreachable", "ENETUNREACH", "look up route to", address);
    }
    return {
      ...best,
      destination: formatPrefix(bytes, bytes.length * 8),
      gateway: best.gateway ?? undefined,
    };
  }

  batch(changes: readonly RouteChange[]): (NetlinkError | undefined)[] {
    return changes.map((change) => {
      try {
        if (change.op === "delete") this.delete(change.route);
        else this.#put(change.op, change.route);
        return undefined;
      } catch (error) {
        if (NetlinkError.is(error)) return error;
        throw error;
      }
    });
  }
}

const prefixLength = (route: Route): number => Number(route.destination.split("/")[1]);

/** In the order the kernel tries them; the sort is stable, so what was prepended stays in front. */
const ordered = (routes: readonly Route[]): Route[] =>
  [...routes].sort((a, b) => a.family - b.family || a.metric - b.metric || rank(b) - rank(a));

const rank = ({ preference }: Route): number => ["low", "medium", "high"].indexOf(preference ?? "medium");

const isRival = (a: Route, b: Route): boolean =>
  a.destination === b.destination && a.table === b.table && a.metric === b.metric;

/** IPv6 looks at the next hop only; IPv4 at everything. */
const isSame = (a: Route, b: Route): boolean =>
  a.linkIndex === b.linkIndex &&
  a.gateway === b.gateway &&
  (a.family === 6 || (a.protocol === b.protocol && a.type === b.type && a.scope === b.scope));
