import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The pod's network as the CNI left it on eth0, before KubeVirt's bridge binding rewires it. */
export interface PodNetwork {
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** With prefix length, such as `10.244.0.5/32`. */
  readonly ipv4: readonly string[];
  /** Global ones only. */
  readonly ipv6: readonly string[];
  readonly routes: readonly PodRoute[];
}

export interface PodRoute {
  /** `default` or a prefix. */
  readonly destination: string;
  /** Absent: on the link. */
  readonly gateway?: string;
  readonly family: 4 | 6;
}

/** The parts of `ip -json` output used here. Source: iproute2's JSON. */
export interface IpLink {
  readonly ifname: string;
  readonly address?: string;
  readonly mtu: number;
  readonly addr_info?: readonly { family: string; local: string; prefixlen: number; scope: string }[];
}
export interface IpRoute {
  readonly dst: string;
  readonly gateway?: string;
}

/** Reads a network from what `ip` says about it. Pure. */
export function podNetworkFrom(link: IpLink, ipv4: readonly IpRoute[], ipv6: readonly IpRoute[]): PodNetwork {
  const addresses = (family: string) =>
    (link.addr_info ?? [])
      .filter((info) => info.family === family && info.scope === "global")
      .map((info) => `${info.local}/${info.prefixlen}`);
  const routes = (list: readonly IpRoute[], family: 4 | 6): PodRoute[] =>
    list.map(({ dst, gateway }) => ({ destination: dst, ...(gateway && { gateway }), family }));
  return {
    mac: link.address ?? "",
    mtu: link.mtu,
    ipv4: addresses("inet"),
    ipv6: addresses("inet6"),
    routes: [...routes(ipv4, 4), ...routes(ipv6, 6).filter((route) => !isLocalPrefix(route.destination))],
  };
}

const isLocalPrefix = (destination: string) => /^(fe80|ff00)::\/\d+$/.test(destination);

/** Asks the kernel for eth0 of the network namespace at the path. */
export async function readPodNetwork(netns: string): Promise<PodNetwork> {
  const ip = async (...argv: string[]): Promise<unknown> => {
    const { stdout } = await run("nsenter", [`--net=${netns}`, "--", "ip", "-json", ...argv], {
      timeout: 5_000,
    });
    return JSON.parse(stdout === "" ? "[]" : stdout);
  };
  const [links, ipv4, ipv6] = await Promise.all([
    ip("address", "show", "dev", "eth0"),
    ip("-4", "route", "show", "dev", "eth0"),
    ip("-6", "route", "show", "dev", "eth0"),
  ]);
  return podNetworkFrom((links as IpLink[])[0]!, ipv4 as IpRoute[], ipv6 as IpRoute[]);
}
