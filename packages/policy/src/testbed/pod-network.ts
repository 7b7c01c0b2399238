import { NetworkNamespace, RouteSocket, writeSysctl } from "@fairlead/netlink";
import type { LocalEndpoint } from "../endpoint.ts";
import { PodServices } from "./pod-services.ts";

/** As on every node: the MAC of all host-side interfaces, and the two gateways all pods have. */
const hostMac = "ee:ee:ee:ee:ee:ee";
const gateway4 = "169.254.1.1";
/** The node's own, which the world goes through: nobody answers for others on the link they are on. */
const nodeAddress = "192.0.2.1";
const gateway6 = "fe80::ecee:eeff:feee:eeee";

/** A network namespace with an interface of its own, servers in it, and two addresses. */
export interface Pod {
  readonly netns: NetworkNamespace;
  readonly interfaceName: string;
  readonly mac: string;
  readonly addresses: { readonly 4: string; readonly 6: string };
  readonly services: PodServices;
}

/**
 * A node with pods, every one a namespace of its own behind a veth as the CNI plugin makes it: host routes, the node answering for a
 * gateway nobody has. Beyond the node's uplink there is a namespace for the rest of the world.
 */
export class PodNetwork implements Disposable {
  readonly node = NetworkNamespace.create();
  readonly world: Pod;
  readonly #onNode = RouteSocket.open({ netns: this.node });
  readonly #pods: Pod[] = [];

  constructor() {
    this.#onNode.links.set("lo", { up: true });
    for (const key of ["ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv6/conf/default/forwarding"])
      writeSysctl(key.split("/"), "1", { netns: this.node });
    this.world = this.#wire("uplink", { 4: "192.0.2.7", 6: "2001:db8::7" }, nodeAddress);
    const linkIndex = this.#onNode.links.get("uplink")?.index ?? 0;
    this.#onNode.addresses.add({ linkIndex, address: `${nodeAddress}/32`, noPrefixRoute: true });
    this.#onNode.routes.replace({ destination: "0.0.0.0/0", gateway: "192.0.2.7", linkIndex, onlink: true });
    this.#onNode.routes.replace({ destination: "::/0", gateway: "2001:db8::7", linkIndex });
  }

  /** A new pod, with addresses that end in its number, beginning with 1. */
  add(): Pod {
    const number = this.#pods.length;
    return this.#wire(`cali${number}`, { 4: `10.65.0.${number}`, 6: `fd00:65::${number}` });
  }

  /** What the agent says of a pod. */
  static endpoint(
    pod: Pod,
    named: Pick<LocalEndpoint, "pod" | "labels"> & Partial<LocalEndpoint>,
  ): LocalEndpoint {
    return {
      id: `k8s/${named.pod.namespace}.${named.pod.name}/eth0`,
      interfaceName: pod.interfaceName,
      addresses: Object.values(pod.addresses),
      macs: [pod.mac],
      state: "running",
      ...named,
    };
  }

  [Symbol.dispose](): void {
    this.#onNode.close();
    for (const { services, netns } of this.#pods) {
      services[Symbol.dispose]();
      netns.close();
    }
    this.node.close();
  }

  #wire(interfaceName: string, addresses: Pod["addresses"], gateway = gateway4): Pod {
    const netns = NetworkNamespace.create();
    using inPod = RouteSocket.open({ netns });
    const mac = `02:00:00:00:01:${(this.#pods.length + 1).toString(16).padStart(2, "0")}`;
    const link = this.#onNode.links.add({
      kind: "veth",
      name: interfaceName,
      address: hostMac,
      peer: { name: "eth0", address: mac, netns },
    });
    for (const family of ["ipv4", "ipv6"] as const) {
      const proxy = family === "ipv4" ? "proxy_arp" : "proxy_ndp";
      writeSysctl([family, "conf", interfaceName, proxy], "1", { netns: this.node });
    }
    writeSysctl(["ipv4", "neigh", interfaceName, "proxy_delay"], "0", { netns: this.node });
    writeSysctl(["ipv6", "conf", interfaceName, "accept_dad"], "0", { netns: this.node });
    writeSysctl(["ipv6", "conf", "eth0", "accept_dad"], "0", { netns });
    this.#onNode.links.set(link.index, { up: true });
    inPod.links.set("eth0", { up: true });
    const index = inPod.links.get("eth0")?.index ?? 0;
    this.#onNode.addresses.replace({ linkIndex: link.index, address: `${gateway6}/64`, noDad: true });
    for (const [address, length] of [
      [addresses[4], 32],
      [addresses[6], 128],
    ] as const) {
      inPod.addresses.replace({ linkIndex: index, address: `${address}/${length}`, noDad: true });
      this.#onNode.routes.replace({ destination: `${address}/${length}`, linkIndex: link.index });
    }
    inPod.routes.replace({ destination: `${gateway}/32`, linkIndex: index, scope: "link" });
    inPod.routes.replace({ destination: "0.0.0.0/0", gateway, linkIndex: index });
    inPod.routes.replace({ destination: "::/0", gateway: gateway6, linkIndex: index });
    const pod = { netns, interfaceName, mac, addresses, services: new PodServices(netns) };
    this.#pods.push(pod);
    return pod;
  }
}
