import type { Topology, TopologyNode } from "../topology/topology.ts";

/** Settings of every network namespace of the lab: it routes, does not wait for duplicate addresses, and believes no RA. */
export const namespaceSysctls: Readonly<Record<string, string>> = {
  "net.ipv4.ip_forward": "1",
  "net.ipv6.conf.all.forwarding": "1",
  "net.ipv6.conf.default.forwarding": "1",
  "net.ipv4.conf.all.rp_filter": "0",
  "net.ipv4.conf.default.rp_filter": "0",
  "net.ipv6.conf.all.accept_dad": "0",
  "net.ipv6.conf.default.accept_dad": "0",
  "net.ipv6.conf.all.accept_ra": "0",
  "net.ipv6.conf.default.accept_ra": "0",
  "net.ipv4.conf.all.send_redirects": "0",
  "net.ipv4.conf.default.send_redirects": "0",
};

/** One `ip` command without the word `ip`. */
type IpCommand = string;

/** `ip -batch` input for the lab's root namespace: the bridge of the management network, where the API server listens. */
export function managementCommands(topology: Topology): IpCommand[] {
  const { bridge, ipv4, ipv6 } = topology.management;
  return [
    "link set lo up",
    `link add ${bridge} type bridge`,
    `addr add ${ipv4.gateway}/${ipv4.length} dev ${bridge}`,
    `addr add ${ipv6.gateway}/${ipv6.length} dev ${bridge}`,
    `link set ${bridge} up`,
  ];
}

/** `ip -batch` input for the lab's root namespace: the nodes' ports of that bridge, and every link with both ends in their nodes. */
export function linkCommands(topology: Topology): IpCommand[] {
  const { bridge } = topology.management;
  return [
    ...topology.nodes.flatMap((node) => [
      `link add ${managementPort(node)} type veth peer name eth0 netns ${node.name}`,
      `link set ${managementPort(node)} master ${bridge} up`,
    ]),
    ...topology.links.map(({ ends: [a, b], mtu }) => {
      const size = mtu === undefined ? "" : `mtu ${mtu} `;
      return `link add ${size}name ${a.interface} netns ${a.node} type veth peer name ${b.interface} netns ${b.node}`;
    }),
  ];
}

/** `ip -batch` input for one node. */
export function nodeCommands(topology: Topology, node: TopologyNode): IpCommand[] {
  const { ipv4, ipv6 } = topology.management;
  const interfaces = topology.links
    .flatMap((link) => link.ends)
    .filter((end) => end.node === node.name)
    .map((end) => end.interface);
  return [
    "link set lo up",
    `addr add ${node.management.ipv4}/${ipv4.length} dev eth0`,
    `addr add ${node.management.ipv6}/${ipv6.length} dev eth0`,
    "link set eth0 up",
    ...interfaces.map((name) => `link set ${name} up`),
  ];
}

/** The bridge's port towards a node. Interface names have at most 15 characters. */
export function managementPort(node: Pick<TopologyNode, "name">): string {
  return `m-${node.name}`.slice(0, 15);
}
