import { execFileSync } from "node:child_process";

/** Where the guest is meant to be found, and its gateways. */
export const guestAddresses = { ipv4: "10.77.0.5", ipv6: "fd77::5" } as const;

/** Two pod network namespaces behind one switch, wired as a CNI would wire them: enough to move a guest without a cluster. */
export interface TwoPods extends Disposable {
  /** Paths of the network namespaces. */
  readonly source: string;
  readonly target: string;
  /** The switch, with addresses of its own: where clients run. */
  readonly outside: string;
  /**
   * Plugs a pod into the switch. Only once its binding is wired: until then the pod's own kernel has the guest's address
   * and would defend it against the guest. (A routed network keeps the two pods apart; a switch does not.)
   */
  plug(pod: "source" | "target"): void;
}

/** For tests. Both pods have the same address, as a VM's pods do, and each its own MAC. */
export function makeTwoPods(): TwoPods {
  const prefix = `fl-kv-${process.pid}`;
  const name = (which: string) => `${prefix}-${which}`;
  const ip = (...argv: string[]) => execFileSync("ip", argv, { stdio: ["ignore", "ignore", "inherit"] });
  const outside = (...argv: string[]) => ip("-n", name("out"), ...argv);
  ip("netns", "add", name("out"));
  outside("link", "add", "br0", "address", "ee:ee:ee:ee:ee:ee", "type", "bridge");
  outside("link", "set", "br0", "up");
  outside("link", "set", "lo", "up");
  for (const address of ["10.77.0.1/32", "169.254.1.1/32"]) outside("address", "add", address, "dev", "br0");
  for (const address of ["fd77::1/128", "fe80::1/64"])
    outside("address", "add", address, "dev", "br0", "nodad");
  outside("route", "add", `${guestAddresses.ipv4}/32`, "dev", "br0");
  outside("-6", "route", "add", `${guestAddresses.ipv6}/128`, "dev", "br0");
  for (const which of ["source", "target"]) {
    const pod = (...argv: string[]) => ip("-n", name(which), ...argv);
    ip("netns", "add", name(which));
    outside("link", "add", which, "type", "veth", "peer", "name", "eth0", "netns", name(which));
    outside("link", "set", which, "up");
    pod("link", "set", "lo", "up");
    pod("link", "set", "eth0", "up");
    pod("address", "add", `${guestAddresses.ipv4}/32`, "dev", "eth0");
    pod("address", "add", `${guestAddresses.ipv6}/128`, "dev", "eth0", "nodad");
    pod("route", "add", "169.254.1.1", "dev", "eth0", "scope", "link");
    pod("route", "add", "default", "via", "169.254.1.1", "dev", "eth0");
    pod("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0");
  }
  const path = (which: string) => `/run/netns/${name(which)}`;
  return {
    source: path("source"),
    target: path("target"),
    outside: path("out"),
    plug: (pod) => outside("link", "set", pod, "master", "br0"),
    [Symbol.dispose]: () => {
      for (const which of ["source", "target", "out"]) ip("netns", "delete", name(which));
    },
  };
}
