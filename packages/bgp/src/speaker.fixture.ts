import type { Speaker } from "./speaker.ts";

/** A node with a mesh neighbour, a pool and a block of each family. */
export function speaker(overrides: Partial<Speaker> = {}): Speaker {
  return {
    node: { name: "node1", ipv4: "10.10.1.2", ipv6: "fd00:10:1::2" },
    nodes: [
      { name: "node1", ipv4: "10.10.1.2", ipv6: "fd00:10:1::2" },
      { name: "node2", ipv4: "10.10.2.2", ipv6: "fd00:10:2::2" },
    ],
    peers: [],
    filters: [],
    pools: [{ cidr: "10.244.0.0/16" }, { cidr: "fd00:10:244::/48" }],
    blocks: ["10.244.1.0/26", "fd00:10:244:1::/122"],
    ...overrides,
  };
}
