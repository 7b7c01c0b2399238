import { isIPv4 } from "node:net";
import {
  Conntrack,
  NetlinkError,
  NetworkNamespace,
  RouteSocket,
  readSysctl,
  writeSysctl,
} from "@fairlead/netlink";
import { CniError } from "./error.ts";
import { gateway4, gateway6, hostMac } from "./interface-name.ts";
import { type Absence, lingers } from "./lingering.ts";
import { asHostPrefix } from "./result.ts";
import type { HostEnd, UnwiringRequest, Wired, WiringQuery, WiringRequest } from "./wiring.ts";

type Setting = readonly [key: readonly string[], value: string];

/** Settings of the host-side interface. They exist from its creation on, so they hold before it is up. */
const hostSettings = (link: string): readonly Setting[] => [
  // Services that the node itself offers on loopback addresses.
  [["ipv4", "conf", link, "route_localnet"], "1"],
  // The node answers for 169.254.1.1, at once.
  [["ipv4", "neigh", link, "proxy_delay"], "0"],
  [["ipv4", "conf", link, "proxy_arp"], "1"],
  [["ipv4", "conf", link, "forwarding"], "1"],
  [["ipv6", "conf", link, "disable_ipv6"], "0"],
  // Every node uses the same link-local address: there is nothing to detect.
  [["ipv6", "conf", link, "accept_dad"], "0"],
  [["ipv6", "conf", link, "accept_ra"], "0"],
  [["ipv6", "conf", link, "proxy_ndp"], "1"],
  [["ipv6", "conf", link, "forwarding"], "1"],
];

/** Settings inside the pod. */
const podSettings = (link: string, forwarding: boolean): readonly Setting[] => [
  [["ipv4", "ip_forward"], forwarding ? "1" : "0"],
  [["ipv6", "conf", "all", "forwarding"], forwarding ? "1" : "0"],
  [["ipv6", "conf", link, "disable_ipv6"], "0"],
  [["ipv6", "conf", link, "accept_dad"], "0"],
  [["ipv6", "conf", link, "accept_ra"], "0"],
];

/** A machine without IPv6 has none of its settings. */
function apply(settings: readonly Setting[], needsIpv6: boolean): void {
  for (const [key, value] of settings)
    try {
      writeSysctl(key, value);
    } catch (error) {
      const optional = key[0] === "ipv6" && !needsIpv6;
      if (!(optional && isNetlink(error, "NotFound"))) throw error;
    }
}

const isNetlink = (error: unknown, ...codes: readonly string[]) =>
  NetlinkError.is(error) && codes.includes(error.code);

/** Runs one kernel job; its failure becomes WiringFailed and names the interface. */
function wire<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof CniError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new CniError("WiringFailed", `${what}: ${message}`, "the runtime tries again with a new sandbox", {
      cause,
    });
  }
}

/** Where the pods' host-side interfaces live. */
export interface LinuxWiringOptions {
  /** Namespace of the node. Default: the process's own. */
  readonly node?: NetworkNamespace;
}

/** `Wiring` without the waiting: each call holds its thread until the kernel is done. Throws what `Wiring` rejects with. */
export interface LinuxWiring extends Disposable {
  attach(request: WiringRequest): Wired;
  look(query: WiringQuery): readonly HostEnd[];
  detach(request: UnwiringRequest): void;
  forget(request: Absence): void;
  inspect(request: WiringRequest): readonly string[];
}

/** Wires pods by netlink: one veth pair per pod, made straight in its two namespaces. */
export function createLinuxWiring(options: LinuxWiringOptions = {}): LinuxWiring {
  const host = RouteSocket.open(options.node ? { netns: options.node } : {});
  const onNode = <T>(work: () => T): T => (options.node ? options.node.run(work) : work());

  function attach(request: WiringRequest): Wired {
    const { hostInterface, containerInterface, addresses, mac, mtu } = request;
    using netns = NetworkNamespace.open(request.netns);
    using pod = RouteSocket.open({ netns });
    makeRoom(request, netns, pod);
    const queues = request.queues > 1 ? { txQueues: request.queues, rxQueues: request.queues } : {};
    const size = { ...queues, ...(mtu && { mtu }) };
    const hostLink = host.links.add({
      kind: "veth",
      name: hostInterface,
      address: hostMac,
      ...size,
      peer: { name: containerInterface, netns, ...(mac && { address: mac }), ...size },
    });
    const podLink = present(pod.links.get(containerInterface), containerInterface);
    const needsIpv6 = addresses.some((address) => !isIPv4(address));
    onNode(() => apply(hostSettings(hostInterface), needsIpv6));
    netns.run(() => apply(podSettings(containerInterface, request.allowIpForwarding), needsIpv6));
    host.links.set(hostLink.index, { up: true });
    pod.links.set(podLink.index, { up: true });
    if (needsIpv6)
      host.addresses.replace({ linkIndex: hostLink.index, address: `${gateway6}/64`, noDad: true });
    for (const address of addresses)
      pod.addresses.replace({ linkIndex: podLink.index, address: asHostPrefix(address), noDad: true });
    const failure = pod.routes
      .batch(podRoutes(addresses, podLink.index).map((route) => ({ op: "replace", route })))
      .find((error) => error);
    if (failure) throw failure;
    return { linkIndex: hostLink.index, mac: podLink.address ?? mac ?? "", mtu: podLink.mtu };
  }

  /** Removes what an earlier attempt left, and refuses what is somebody else's. */
  function makeRoom(request: WiringRequest, netns: NetworkNamespace, pod: RouteSocket): void {
    const { hostInterface, containerInterface, replaces = [] } = request;
    const present = host.links.get(hostInterface);
    if (present && !replaces.includes(present.index) && !host.links.leadsInto(present.index, netns))
      throw new CniError(
        "WiringFailed",
        `interface ${hostInterface} is on the node already and is not this pod's`,
        "see whose it is: ip -d link show",
      );
    if (present) remove(host, present.index);
    if (pod.links.get(containerInterface))
      throw new CniError(
        "WiringFailed",
        `namespace ${request.netns} has an interface ${containerInterface} that is not of this network`,
        "the runtime tries again with a new sandbox",
      );
  }

  function look({ hostInterfaces, netns: path }: WiringQuery): readonly HostEnd[] {
    const present = hostInterfaces.map((name) => host.links.get(name)).filter((link) => link !== undefined);
    if (present.length === 0) return [];
    using netns = openIfPresent(path);
    return present.map(({ name, index }) => ({
      hostInterface: name,
      linkIndex: index,
      leadsThere: netns !== undefined && host.links.leadsInto(index, netns),
    }));
  }

  function detach({ hostInterface, linkIndex }: UnwiringRequest): void {
    const present = host.links.get(hostInterface);
    if (present && (linkIndex === undefined || present.index === linkIndex)) remove(host, present.index);
  }

  function forget({ addresses, peers }: Absence): void {
    if (addresses.length === 0) return;
    const own = () => host.addresses.list().map(({ address }) => address.split("/")[0]!);
    const staying = peers && new Set([...peers, ...own()]);
    using conntrack = Conntrack.open(options.node ? { netns: options.node } : {});
    try {
      for (const address of addresses)
        conntrack.delete({ address }, (entry) => lingers(entry, address, staying));
    } catch (error) {
      // A kernel that cannot list its connections (nf_conntrack_netlink) cannot forget them either.
      if (!isNetlink(error, "Unsupported", "Invalid")) throw error;
    }
  }

  function inspect(request: WiringRequest): readonly string[] {
    const hostLink = host.links.get(request.hostInterface);
    if (!hostLink) return [`host interface ${request.hostInterface} is missing`];
    using netns = NetworkNamespace.open(request.netns);
    using pod = RouteSocket.open({ netns });
    const differences: string[] = [];
    const expect = (holds: boolean, otherwise: string) => holds || differences.push(otherwise);
    expect(hostLink.up, `host interface ${request.hostInterface} is down`);
    expect(hostLink.address === hostMac, `host interface has MAC ${hostLink.address}, not ${hostMac}`);
    const proxy = onNode(() => readSysctl(["ipv4", "conf", request.hostInterface, "proxy_arp"]));
    expect(proxy === "1", `proxy_arp of ${request.hostInterface} is off`);
    const podLink = pod.links.get(request.containerInterface);
    if (!podLink) return [...differences, `interface ${request.containerInterface} is missing in the pod`];
    expect(
      !request.mac || podLink.address === request.mac,
      `${podLink.name} has MAC ${podLink.address}, not ${request.mac}`,
    );
    // KubeVirt's bridge binding takes link and addresses over: eth0 is then a placeholder that is down and keeps the addresses.
    const placeholder = !podLink.up;
    const found = pod.addresses.list({ linkIndex: podLink.index }).map(({ address }) => address);
    for (const address of request.addresses)
      expect(found.includes(asHostPrefix(address)), `${podLink.name} lacks ${address}`);
    const routes = placeholder ? [] : pod.routes.list({ linkIndex: podLink.index });
    for (const address of placeholder ? [] : request.addresses) {
      const gateway = isIPv4(address) ? gateway4 : gateway6;
      expect(
        routes.some((route) => route.gateway === gateway),
        `the pod lacks its default route via ${gateway}`,
      );
    }
    return differences;
  }

  return {
    attach: (request) => wire(`wire ${request.hostInterface}`, () => attach(request)),
    look: (query) => wire(`look for ${query.hostInterfaces.join(", ")}`, () => look(query)),
    detach: (request) => wire(`unwire ${request.hostInterface}`, () => detach(request)),
    forget: (request) => wire(`forget connections of ${request.addresses.join(", ")}`, () => forget(request)),
    inspect: (request) => wire(`inspect ${request.hostInterface}`, () => inspect(request)),
    [Symbol.dispose]: () => host.close(),
  };
}

function podRoutes(addresses: readonly string[], linkIndex: number) {
  return addresses.flatMap((address) =>
    isIPv4(address)
      ? [
          { destination: `${gateway4}/32`, linkIndex, scope: "link" as const },
          { destination: "0.0.0.0/0", gateway: gateway4, linkIndex },
        ]
      : [{ destination: "::/0", gateway: gateway6, linkIndex }],
  );
}

/** Undefined when there is no namespace at the path. */
function openIfPresent(path: string): NetworkNamespace | undefined {
  if (path === "") return undefined;
  try {
    return NetworkNamespace.open(path);
  } catch (error) {
    if (isNetlink(error, "NotFound", "Invalid")) return undefined;
    throw error;
  }
}

/** Removes a link by its index, which no other link ever gets while the namespace lives. */
function remove(socket: RouteSocket, index: number): void {
  try {
    socket.links.delete(index);
  } catch (error) {
    // Its other end was deleted in between.
    if (!isNetlink(error, "NoDevice")) throw error;
  }
}

function present<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value;
  throw new CniError(
    "WiringFailed",
    `interface ${name} vanished while it was wired`,
    "the runtime tries again",
  );
}
