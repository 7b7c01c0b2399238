import { isIP, isIPv4 } from "node:net";
import type { NetworkConfig } from "./config.ts";
import { CniError } from "./error.ts";

/** What a pod's and its namespace's annotations and the network configuration together ask for. */
export interface AddressWishes {
  /** Undefined: nobody says, so the family follows the pools. */
  readonly ipv4: boolean | undefined;
  readonly ipv6: boolean | undefined;
  /** Pool names or CIDRs; empty: any pool that selects the node and namespace. */
  readonly ipv4Pools: readonly string[];
  readonly ipv6Pools: readonly string[];
  /** Exactly these addresses, at most one of each family. */
  readonly ipAddrs: readonly string[];
  /** MAC of the pod's side, lower case. */
  readonly hwAddr?: string;
}

/** Annotations of a pod or namespace. */
export type Annotations = Readonly<Record<string, string>>;

const prefix = "cni.projectcalico.org/";

/** Annotations that would bypass the address manager or claim foreign addresses; each needs a gate that we do not open. */
const gated = {
  ipAddrsNoIpam: "ip_addrs_no_ipam",
  floatingIPs: "floating_ips",
} as const;

function refuse(name: string, why: string, remedy: string): never {
  throw new CniError("InvalidAnnotation", `annotation ${prefix}${name} ${why}`, remedy);
}

/** A short JSON list of strings. Annotations are written by users: nothing about them is taken for granted. */
function readList(source: Annotations, name: string): readonly string[] | undefined {
  const text = source[prefix + name];
  if (text === undefined) return undefined;
  const remedy = `write a JSON list of strings, for example ["..."], or remove the annotation`;
  let value: unknown;
  try {
    value = text.length <= 4096 ? JSON.parse(text) : undefined;
  } catch {
    value = undefined;
  }
  if (
    !Array.isArray(value) ||
    value.length > 64 ||
    !value.every((item) => typeof item === "string" && item !== "")
  )
    refuse(name, "is not a JSON list of strings", remedy);
  return value;
}

function readFamilies(source: Annotations): { ipv4: boolean; ipv6: boolean } | undefined {
  const list = readList(source, "ipFamilies");
  if (!list) return undefined;
  if (list.length === 0 || !list.every((family) => family === "IPv4" || family === "IPv6"))
    refuse("ipFamilies", "error parsing ipFamilies", 'list "IPv4", "IPv6" or both');
  return { ipv4: list.includes("IPv4"), ipv6: list.includes("IPv6") };
}

function readAddresses(pod: Annotations): readonly string[] {
  const list = readList(pod, "ipAddrs") ?? [];
  for (const address of list)
    if (isIP(address) === 0 || address.includes("%"))
      refuse(
        "ipAddrs",
        `has ${JSON.stringify(address)}, which is no IP address`,
        "list plain addresses, without a prefix length",
      );
  const four = list.filter((address) => isIPv4(address)).length;
  if (four > 1 || list.length - four > 1)
    refuse("ipAddrs", "has more than one address of a family", "list at most one IPv4 and one IPv6 address");
  return list;
}

function readMac(pod: Annotations): string | undefined {
  const text = pod[`${prefix}hwAddr`];
  if (text === undefined) return undefined;
  const mac = text.toLowerCase();
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac))
    refuse("hwAddr", "is no MAC address", 'write six hex pairs: "02:00:00:00:00:01"');
  if (Number.parseInt(mac.slice(0, 2), 16) & 1 || mac === "00:00:00:00:00:00")
    refuse(
      "hwAddr",
      "is a multicast or the zero address",
      "choose a unicast MAC, best a locally administered one (02:...)",
    );
  if (mac === "ee:ee:ee:ee:ee:ee") refuse("hwAddr", "is the gateway's MAC", "choose another MAC");
  return mac;
}

/**
 * Reads the wishes of a pod: its own annotations before its namespace's before the configuration.
 *
 * @throws CniError InvalidAnnotation, naming the annotation and what to write instead
 */
export function readWishes(pod: Annotations, namespace: Annotations, config: NetworkConfig): AddressWishes {
  for (const [name, gate] of Object.entries(gated))
    if (pod[prefix + name] !== undefined)
      refuse(
        name,
        `requested feature is not enabled: ${gate}`,
        "remove the annotation; Fairlead assigns every address itself",
      );
  const ipAddrs = readAddresses(pod);
  const families = readFamilies(pod) ??
    readFamilies(namespace) ?? { ipv4: config.ipam.assign_ipv4, ipv6: config.ipam.assign_ipv6 };
  const wanted =
    ipAddrs.length === 0
      ? families
      : {
          ipv4: ipAddrs.some((address) => isIPv4(address)),
          ipv6: ipAddrs.some((address) => !isIPv4(address)),
        };
  if (wanted.ipv4 === false && wanted.ipv6 === false)
    throw new CniError(
      "InvalidConfiguration",
      "neither IPv4 nor IPv6 addresses are to be assigned",
      "set ipam.assign_ipv4 or ipam.assign_ipv6",
    );
  const hwAddr = readMac(pod);
  return {
    ...wanted,
    ipv4Pools: readList(pod, "ipv4pools") ?? readList(namespace, "ipv4pools") ?? config.ipam.ipv4_pools,
    ipv6Pools: readList(pod, "ipv6pools") ?? readList(namespace, "ipv6pools") ?? config.ipam.ipv6_pools,
    ipAddrs,
    ...(hwAddr ? { hwAddr } : {}),
  };
}
