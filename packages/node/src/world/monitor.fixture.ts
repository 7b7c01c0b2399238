import { type IPAMBlock, kinds } from "@fairlead/api";
import type { ApiServer } from "./api-server.fixture.ts";
import type { Instance, Machine } from "./instance.fixture.ts";
import type { Kubelet } from "./kubelet.fixture.ts";
import type { SimulatedNode } from "./node.fixture.ts";
import type { SimulatedPod } from "./pod.fixture.ts";
import { nobody, type VirtualTime } from "./virtual-time.fixture.ts";

/** What must never be. */
export type ViolationCode =
  | "StrangerHasRoute"
  | "RouteBeforeGuest"
  | "RouteTakenAway"
  | "NoRoute"
  | "WrongBestRoute"
  | "AddressChanged"
  | "AddressNotHeld"
  | "AddressShared"
  | "AgentCrashed"
  | "NoRest"
  | "WrongOwner"
  | "WrongRoutesAtRest"
  | "CannotMigrate"
  | "Leaked";

/** An invariant does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly code: ViolationCode;

  constructor(code: ViolationCode, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

export interface MonitorParts {
  readonly time: VirtualTime;
  readonly server: ApiServer;
  readonly kubelet: Kubelet;
  readonly nodes: readonly SimulatedNode[];
  readonly machines: readonly Machine[];
  readonly ordinaryPods: ReadonlySet<SimulatedPod>;
}

/**
 * Milliseconds in which things must be right once nothing stands in the way: the agent of the guest's node is up, reads and hears as usual, and
 * KubeVirt has said where the guest is.
 */
export const bounds = {
  /** From a guest's announcement to its route, where somebody listens. */
  heard: 1_000,
  /** From KubeVirt's word to the guest's route. */
  told: 3_000,
  /** From KubeVirt's word until the guest's node has the best route, and nobody else has one as good. */
  best: 5_000,
} as const;

interface Route {
  readonly node: SimulatedNode;
  readonly metric: number;
  readonly pod: SimulatedPod | undefined;
}

/** Looks at everything after each step of the simulation. */
export class Monitor {
  readonly #parts: MonitorParts;
  /** Since when something is not yet right that must not stay so. */
  readonly #pending = new Map<string, number>();
  /** Instances whose guest had its routes at the last look. */
  readonly #routed = new Map<Instance, SimulatedPod>();
  #seen = "";
  #due = Number.POSITIVE_INFINITY;
  #blocksSeen = -1;
  #holdersSeen = "";

  constructor(parts: MonitorParts) {
    this.#parts = parts;
  }

  /** @throws Violation */
  look(): void {
    const { time, nodes, machines } = this.#parts;
    let seen = "";
    for (const node of nodes) seen += `${node.kernel.version},${node.readySince},`;
    for (const { instance } of machines)
      seen += `${instance?.uid},${instance?.guestSince},${instance?.toldSince};`;
    if (seen !== this.#seen || time.now >= this.#due) {
      this.#seen = seen;
      this.#lookAtRoutes();
    }
    this.#lookAtHolders();
  }

  #lookAtRoutes(): void {
    this.#due = Number.POSITIVE_INFINITY;
    const current = new Set<string>();
    const byAddress = this.routes();
    for (const machine of this.#parts.machines) {
      const { instance, promised = [] } = machine;
      for (const address of promised)
        for (const route of byAddress.get(address) ?? []) this.#checkPlace(machine, address, route);
      const { guest } = instance ?? {};
      if (!instance || !guest || guest.ending.has) continue;
      const complete = guest.addresses.every((address) =>
        byAddress.get(address)?.some(({ pod }) => pod === guest),
      );
      if (!complete) this.#checkGap(machine, instance, guest, current);
      if (complete) this.#routed.set(instance, guest);
      for (const address of guest.addresses)
        this.#checkBest(instance, guest, address, byAddress.get(address) ?? [], current);
    }
    for (const key of this.#pending.keys()) if (!current.has(key)) this.#pending.delete(key);
  }

  /** All workload routes of all nodes, by address. */
  routes(): ReadonlyMap<string, readonly Route[]> {
    const { nodes, kubelet } = this.#parts;
    const found = new Map<string, Route[]>();
    for (const node of nodes)
      for (const { address, metric, hostInterface } of node.kernel.routes) {
        const netns = node.kernel.namespaceOf(hostInterface);
        const route = { node, metric, pod: netns === undefined ? undefined : kubelet.podOf(netns) };
        const known = found.get(address);
        if (known) known.push(route);
        else found.set(address, [route]);
      }
    return found;
  }

  /** Only pods of the VM have its routes, and a target none before its guest is there. */
  #checkPlace(machine: Machine, address: string, { node, pod }: Route): void {
    if (!pod) return;
    const isOwn = pod.options.instance !== undefined && machine.instance?.pods.includes(pod);
    const isEarlier = pod.options.instance !== undefined && pod.ending.has;
    if (!isOwn && !isEarlier)
      throw new Violation(
        "StrangerHasRoute",
        `${address} of ${machine.name} leads to ${pod.name} on ${node.name}`,
      );
    if (pod.options.migrationUid !== undefined && !pod.hadGuest)
      throw new Violation(
        "RouteBeforeGuest",
        `${address} of ${machine.name} leads to ${pod.name} on ${node.name}, where its guest has never been`,
      );
  }

  #checkGap(machine: Machine, instance: Instance, guest: SimulatedPod, current: Set<string>): void {
    // A guest that is being shut down before KubeVirt has acknowledged that it moved.
    if (instance.stopping.has && instance.toldSince === undefined) return;
    const where = `${machine.name} in ${guest.name} on ${guest.node?.name}`;
    if (this.#routed.get(instance) === guest && guest.hostInterface !== undefined)
      throw new Violation(
        "RouteTakenAway",
        `the route of ${where} was taken away while its guest runs there`,
      );
    if (guest.isHeard) this.#await("NoRoute", where, bounds.heard, instance, guest, current);
    else if (instance.toldSince !== undefined)
      this.#await("NoRoute", where, bounds.told, instance, guest, current);
  }

  #checkBest(
    instance: Instance,
    guest: SimulatedPod,
    address: string,
    routes: readonly Route[],
    current: Set<string>,
  ): void {
    const best = Math.min(...routes.map(({ metric }) => metric));
    const [first, ...more] = routes.filter(({ metric }) => metric === best);
    if (!first || (first.pod === guest && more.length === 0)) return;
    if (instance.toldSince === undefined) return;
    // G5: a VM that starts anew has the normal metric at once, so an agent that is away elsewhere cannot be outdone.
    const isFirst = guest.options.migrationUid === undefined;
    if (isFirst && routes.every(({ pod, node }) => pod === guest || node.isHindered)) return;
    const all = routes.map(({ node, metric, pod }) => `${pod?.name} on ${node.name} with ${metric}`);
    const text = `${address} of ${instance.machine.name}, whose guest is in ${guest.name}, leads to ${all.join(" and ")}`;
    this.#await("WrongBestRoute", text, bounds.best, instance, guest, current);
  }

  /** Something that must end. Its time counts while nothing stands in its way. */
  #await(
    code: ViolationCode,
    text: string,
    bound: number,
    instance: Instance,
    guest: SimulatedPod,
    current: Set<string>,
  ): void {
    const { time } = this.#parts;
    const { readySince = time.now, isHindered = true } = guest.node ?? {};
    const key = `${code} ${instance.uid} ${guest.name}`;
    current.add(key);
    const since = isHindered
      ? time.now
      : Math.max(this.#pending.get(key) ?? time.now, readySince, instance.guestSince);
    this.#pending.set(key, since);
    if (time.now - since > bound)
      throw new Violation(code, `${text}, for ${Math.round(time.now - since)} ms`);
    const due = since + bound + 1;
    if (due < this.#due) {
      this.#due = due;
      time.after(due - time.now, () => {}, nobody);
    }
  }

  /** Each address that a workload uses, or was promised, is recorded as its own and nobody else's. */
  #lookAtHolders(): void {
    const { server, machines, ordinaryPods } = this.#parts;
    let users = "";
    for (const pod of ordinaryPods) users += pod.current?.containerId ?? "";
    for (const { promised, uid } of machines) users += `${uid}${promised?.length}`;
    if (server.blocksVersion === this.#blocksSeen && users === this.#holdersSeen) return;
    this.#blocksSeen = server.blocksVersion;
    this.#holdersSeen = users;
    const recorded = this.allocations();
    const holders = new Map<string, string>();
    const hold = (address: string, who: string, handle: string) => {
      const other = holders.get(address);
      if (other) throw new Violation("AddressShared", `${address} is used by ${who} and ${other}`);
      holders.set(address, who);
      const is = recorded.get(address);
      if (is !== handle)
        throw new Violation("AddressNotHeld", `${address} is used by ${who} and recorded as ${is ?? "free"}`);
    };
    for (const machine of machines)
      if (!machine.isGoing)
        for (const address of machine.promised ?? [])
          hold(address, machine.name, `k8s-pod-network.vmi.default.${machine.name}`);
    for (const pod of ordinaryPods)
      for (const address of pod.current ? pod.addresses : [])
        hold(address, pod.name, `k8s-pod-network.${pod.current?.containerId}`);
  }

  /** Handle, active and alternate owner of each address that is not free, as text. */
  owners(): Map<string, string> {
    const found = new Map<string, string>();
    const blocks = this.#parts.server.cluster.store.objects(kinds.IPAMBlock) as readonly IPAMBlock[];
    for (const { spec } of blocks)
      for (const [ordinal, index] of spec.allocations.entries()) {
        const attributes = index === null ? undefined : spec.attributes[index];
        if (attributes?.releasedAt || !attributes?.handle_id) continue;
        const owners = [attributes.secondary?.pod, attributes.alternateOwnerAttrs?.pod].map(
          (pod) => pod ?? "nobody",
        );
        found.set(addressIn(spec.cidr, ordinal), `${attributes.handle_id}, ${owners.join(" and ")}`);
      }
    return found;
  }

  /** The handle of each address that is not free. */
  allocations(): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    const blocks = this.#parts.server.cluster.store.objects(kinds.IPAMBlock) as readonly IPAMBlock[];
    for (const { spec } of blocks) {
      const { cidr, allocations, attributes } = spec;
      for (const [ordinal, index] of allocations.entries()) {
        const handle = index === null ? undefined : attributes[index]?.handle_id;
        if (handle) found.set(addressIn(cidr, ordinal), handle);
      }
    }
    return found;
  }
}

/** The address at a place of a block that lies within the last group of digits. */
export function addressIn(cidr: string, ordinal: number): string {
  const [base = ""] = cidr.split("/");
  if (base.includes(".")) {
    const at = base.lastIndexOf(".") + 1;
    return base.slice(0, at) + (Number(base.slice(at)) + ordinal);
  }
  const at = base.lastIndexOf(":") + 1;
  const last = Number.parseInt(base.slice(at) || "0", 16) + ordinal;
  return base.slice(0, at) + (last === 0 ? "" : last.toString(16));
}
