import type {
  BridgePort,
  Link,
  LinkChange,
  LinkFilter,
  LinkProperties,
  LinkSelector,
  LinkSpec,
  LinkStatistics,
  Links,
} from "../link.ts";
import { checkLinkName } from "../link-codec.ts";
import { matchesLink } from "../link-filter.ts";
import { parseMac } from "../mac.ts";
import type { NetworkNamespace } from "../network-namespace.ts";
import { type FakeState, failure } from "./state.ts";

const IFF_UP = 1;
const freshPort: BridgePort = { learning: true, isolated: false, neighbourSuppression: false };

/** `Links` in memory. A link given another namespace is not seen here. */
export class FakeLinks implements Links {
  readonly #state: FakeState;
  /** Inode of the namespace in which the other end is, by the link's index. */
  readonly #peers = new Map<number, number>();
  #lastIndex = 1;

  constructor(state: FakeState) {
    this.#state = state;
    state.links.set(1, { ...blank(1, { name: "lo" }), address: "00:00:00:00:00:00", mtu: 65536 });
  }

  list(filter: LinkFilter = {}): Link[] {
    return [...this.#state.links.values()].filter((link) => matchesLink(link, filter));
  }

  get(link: LinkSelector): Link | undefined {
    if (typeof link === "number") return this.#state.links.get(link);
    return this.list().find(({ name }) => name === link);
  }

  peerOf({ peerIndex, peerNamespaceId }: Link): Link | undefined {
    return peerNamespaceId === undefined ? this.#state.links.get(peerIndex ?? -1) : undefined;
  }

  /** Nothing moves in memory. */
  statistics(index: number): LinkStatistics {
    if (this.get(index) === undefined)
      throw failure("NoDevice", "ENODEV", "get statistics of link", `${index}`);
    return { received: 0, sent: 0, unsent: 0 };
  }

  leadsInto(link: LinkSelector, netns: NetworkNamespace): boolean {
    return this.#peers.get(this.get(link)?.index ?? -1) === netns.inode;
  }

  add(spec: LinkSpec): Link {
    const near = this.#create(spec, spec.kind === "tap" ? "tun" : spec.kind);
    if (spec.kind !== "veth") return near;
    const far = spec.peer.netns === undefined ? this.#create(spec.peer, "veth").index : undefined;
    const paired = (link: Link, peerIndex: number | undefined): Link => ({
      ...link,
      peerIndex: peerIndex ?? 2,
      peerNamespaceId: peerIndex === undefined ? 0 : undefined,
      carrier: link.up && (peerIndex === undefined || (this.get(peerIndex)?.up ?? false)),
    });
    if (spec.peer.netns !== undefined) this.#peers.set(near.index, spec.peer.netns.inode);
    if (far !== undefined) this.#state.links.set(far, paired(this.get(far)!, near.index));
    const link = paired(near, far);
    this.#state.links.set(link.index, link);
    return link;
  }

  #create(spec: LinkProperties, kind: string): Link {
    checkLinkName(spec.name);
    if (spec.address !== undefined) parseMac(spec.address);
    if (this.get(spec.name) !== undefined) throw failure("AlreadyExists", "EEXIST", `add ${kind}`, spec.name);
    const link: Link = { ...blank(++this.#lastIndex, spec), kind };
    this.#state.links.set(link.index, link);
    this.#state.emit({ type: "link", change: "new", link });
    return link;
  }

  set(selector: LinkSelector, change: LinkChange): void {
    const link = this.#existing(selector, "set link");
    const taken = change.name === undefined ? undefined : this.get(checkLinkName(change.name));
    if (taken !== undefined && taken.index !== link.index) {
      throw failure("AlreadyExists", "EEXIST", "set link", String(selector));
    }
    if (change.bridgePort !== undefined && (change.master ?? link.master) === undefined) {
      throw failure("Unsupported", "EOPNOTSUPP", "set link", String(selector));
    }
    if (change.netns !== undefined) {
      this.delete(selector);
      return;
    }
    const { master = link.master, bridgePort, netns, ...rest } = change;
    const up = change.up ?? link.up;
    const next: Link = {
      ...link,
      ...rest,
      up,
      carrier: up,
      operState: up ? "up" : "down",
      flags: up ? link.flags | IFF_UP : link.flags & ~IFF_UP,
      master: master ?? undefined,
      bridgePort: master == null ? undefined : { ...freshPort, ...link.bridgePort, ...bridgePort },
    };
    this.#state.links.set(link.index, next);
    if (link.up && !up) this.#flush(link.index, "down");
    if (!link.up && up) this.onUp(link.index);
    this.#state.emit({ type: "link", change: "new", link: next });
  }

  /** Set by the address table: the kernel makes the routes of a link's addresses again. */
  onUp: (index: number) => void = () => {};

  delete(selector: LinkSelector): void {
    const link = this.#existing(selector, "delete link");
    this.#flush(link.index, "deleted");
    this.#peers.delete(link.index);
    this.#state.links.delete(link.index);
    this.#state.emit({ type: "link", change: "delete", link });
    const peer = link.peerNamespaceId === undefined ? this.#state.links.get(link.peerIndex ?? -1) : undefined;
    if (peer !== undefined) this.delete(peer.index);
  }

  /** A link that goes down loses its routes and neighbours and its IPv6 addresses. The kernel tells only of the IPv6 routes. */
  #flush(index: number, reason: "down" | "deleted"): void {
    const state = this.#state;
    const lost = state.routes.filter((route) => route.linkIndex === index);
    state.routes = state.routes.filter((route) => route.linkIndex !== index);
    state.neighbours = state.neighbours.filter((neighbour) => neighbour.linkIndex !== index);
    state.addresses = state.addresses.filter(
      (address) => address.linkIndex !== index || (reason === "down" && address.family === 4),
    );
    for (const route of lost) if (route.family === 6) state.emit({ type: "route", change: "delete", route });
  }

  #existing(selector: LinkSelector, operation: string): Link {
    const link = this.get(selector);
    if (link !== undefined) return link;
    throw failure("NoDevice", "ENODEV", operation, String(selector));
  }
}

function blank(index: number, spec: LinkProperties): Link {
  const up = spec.up ?? false;
  return {
    index,
    name: spec.name,
    kind: undefined,
    address: spec.address ?? `02:00:00:00:${hex(index >> 8)}:${hex(index)}`,
    mtu: spec.mtu ?? 1500,
    up,
    carrier: up,
    operState: up ? "up" : "down",
    master: spec.master,
    peerIndex: undefined,
    peerNamespaceId: undefined,
    group: spec.group ?? 0,
    txQueues: spec.txQueues ?? 1,
    rxQueues: spec.rxQueues ?? 1,
    flags: up ? IFF_UP : 0,
    bridgePort: spec.master === undefined ? undefined : freshPort,
  };
}

const hex = (value: number): string => (value & 0xff).toString(16).padStart(2, "0");
