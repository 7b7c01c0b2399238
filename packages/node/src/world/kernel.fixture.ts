import { CniError, hostMac, type Wired, type Wiring, type WiringRequest } from "@fairlead/cni";
import { createFakeRouteSocket } from "@fairlead/netlink/fake";
import type { RoutesKernel } from "@fairlead/routes";
import type { SimulatedProcess } from "./process.fixture.ts";
import { between, type Random, type VirtualTime } from "./virtual-time.fixture.ts";

/** A pod's network namespace. */
interface Namespace {
  /** Its interfaces: name inside → name of the host-side end, and the MAC inside. */
  readonly interfaces: Map<string, { readonly hostInterface: string; readonly mac: string }>;
}

/** A frame that a guest sends when it has arrived. */
export interface Frame {
  readonly linkIndex: number;
  readonly mac: string;
}

/** A workload route as the node's kernel has it. */
export interface KernelRoute {
  /** Plain address. */
  readonly address: string;
  readonly metric: number;
  readonly hostInterface: string;
}

const refused = (message: string) => new CniError("WiringFailed", message, "the runtime tries again");

const workloadProtocol = 80;
const mainTable = 254;

/** The kernel of one node: outlives every program that runs on it. */
export class NodeKernel {
  readonly socket = createFakeRouteSocket();
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #namespaces = new Map<string, Namespace>();
  readonly #listeners = new Set<(frame: Frame) => void>();
  #routes: readonly KernelRoute[] | undefined;
  /** Grows with every change of links and routes. */
  version = 0;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
    this.socket.subscribe(["route", "link"], () => {
      this.#routes = undefined;
      this.version++;
    });
  }

  get routes(): readonly KernelRoute[] {
    this.#routes ??= this.socket.routes
      .list({ table: mainTable, protocol: workloadProtocol })
      .map(({ destination, metric, linkIndex }) => ({
        address: destination.replace(/\/.*/, ""),
        metric,
        hostInterface: this.socket.links.get(linkIndex ?? 0)?.name ?? "",
      }));
    return this.#routes;
  }

  /** Host-side interfaces that exist. */
  get hostInterfaces(): readonly string[] {
    return this.socket.links
      .list()
      .map(({ name }) => name)
      .filter((name) => name !== "lo");
  }

  createNamespace(path: string): void {
    this.#namespaces.set(path, { interfaces: new Map() });
  }

  /** Both ends of its interfaces go with it. */
  destroyNamespace(path: string): void {
    for (const { hostInterface } of this.#namespaces.get(path)?.interfaces.values() ?? [])
      this.#removeLink(hostInterface);
    this.#namespaces.delete(path);
  }

  /** The host-side end of a namespace's interface, if it is there. */
  hostInterfaceOf(path: string): string | undefined {
    return this.#namespaces.get(path)?.interfaces.get("eth0")?.hostInterface;
  }

  /** The namespace a host-side end leads to. */
  namespaceOf(hostInterface: string): string | undefined {
    for (const [path, { interfaces }] of this.#namespaces)
      for (const end of interfaces.values()) if (end.hostInterface === hostInterface) return path;
    return undefined;
  }

  /** A guest sends from within a namespace. */
  announce(path: string, mac: string): void {
    const linkIndex = this.socket.links.get(this.hostInterfaceOf(path) ?? "")?.index;
    if (linkIndex !== undefined) for (const hear of this.#listeners) hear({ linkIndex, mac });
  }

  listen(hear: (frame: Frame) => void): Disposable {
    this.#listeners.add(hear);
    return { [Symbol.dispose]: () => void this.#listeners.delete(hear) };
  }

  /** The end inside the pod of a host-side interface. */
  endInside(hostInterface: string): { readonly name: string; readonly mac: string } | undefined {
    for (const { interfaces } of this.#namespaces.values())
      for (const [name, end] of interfaces)
        if (end.hostInterface === hostInterface) return { name, mac: end.mac };
    return undefined;
  }

  /** The kernel as a process reaches it: nothing of a dead one's changes happens. */
  routesKernel(process: SimulatedProcess): RoutesKernel {
    const { socket } = this;
    const { links, routes, neighbours } = socket;
    return {
      links,
      routes: {
        list: (filter) => routes.list(filter),
        add: (route) => void (process.effect() && routes.add(route)),
        prepend: (route) => void (process.effect() && routes.prepend(route)),
        replace: (route) => void (process.effect() && routes.replace(route)),
        delete: (key) => void (process.effect() && routes.delete(key)),
        lookup: (address) => routes.lookup(address),
        batch: (changes) => (process.effect() ? routes.batch(changes) : []),
      },
      neighbours,
      subscribe: (groups, onEvent, options) =>
        socket.subscribe(
          groups,
          (event) => void this.#time.after(0.05, () => onEvent(event), process),
          options,
        ),
    };
  }

  /** Wiring takes its time on a thread of the process. */
  wiring(process: SimulatedProcess): Wiring {
    const onThread = <T>(work: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        this.#time.after(
          between(this.#random, 2, 40),
          () => {
            if (!process.effect()) return;
            try {
              const result = work();
              this.#time.after(between(this.#random, 0.2, 5), () => resolve(result), process);
            } catch (error) {
              reject(error);
            }
          },
          process,
        );
      });
    return {
      attach: (request) => onThread(() => this.#attach(request)),
      look: ({ hostInterfaces, netns }) =>
        onThread(() =>
          hostInterfaces.flatMap((hostInterface) => {
            const link = this.socket.links.get(hostInterface);
            const leadsThere = netns !== "" && this.namespaceOf(hostInterface) === netns;
            return link ? { hostInterface, linkIndex: link.index, leadsThere } : [];
          }),
        ),
      detach: ({ hostInterface, linkIndex }) =>
        onThread(() => {
          const link = this.socket.links.get(hostInterface);
          if (link && (linkIndex === undefined || link.index === linkIndex)) this.#removeLink(hostInterface);
        }),
      forget: () => onThread(() => {}),
      inspect: async () => [],
    };
  }

  #attach({ netns, containerInterface, hostInterface, mac, mtu, replaces = [] }: WiringRequest): Wired {
    const namespace = this.#namespaces.get(netns);
    if (!namespace) throw refused(`there is no namespace ${netns}`);
    const present = this.socket.links.get(hostInterface);
    if (present && this.namespaceOf(hostInterface) !== netns && !replaces.includes(present.index))
      throw refused(`interface ${hostInterface} is there already and is not this pod's`);
    if (present) this.#removeLink(hostInterface);
    if (namespace.interfaces.has(containerInterface))
      throw refused(`namespace ${netns} has another interface ${containerInterface}`);
    const link = this.socket.links.add({
      kind: "dummy",
      name: hostInterface,
      address: hostMac,
      up: true,
      ...(mtu && { mtu }),
    });
    const inside = mac ?? `02:00:00:00:00:${link.index.toString(16).padStart(2, "0")}`;
    namespace.interfaces.set(containerInterface, { hostInterface, mac: inside });
    return { linkIndex: link.index, mac: inside, mtu: mtu ?? 1500 };
  }

  #removeLink(name: string): void {
    if (this.socket.links.get(name)) this.socket.links.delete(name);
    for (const { interfaces } of this.#namespaces.values())
      for (const [inside, { hostInterface }] of interfaces)
        if (hostInterface === name) interfaces.delete(inside);
  }
}
