import { execFileSync } from "node:child_process";

/** Where the guest is meant to be found. */
export const guestAddresses = { ipv4: "10.77.0.5", ipv6: "fd77::5" } as const;

/**
 * Pod network namespaces behind one switch, each wired as a CNI would wire it and all with the same address, as the pods
 * of one VM have: enough to move a guest without a network of its own. For tests.
 */
export interface PodSwitch extends Disposable {
  /** Path of the switch's own network namespace, which has addresses too: where clients run. */
  readonly outside: string;
  /** Makes a pod's namespace and returns its path. */
  add(pod: string): string;
  /**
   * Plugs a pod into the switch. Only once its binding is wired: until then the pod's own kernel has the guest's address
   * and would defend it against the guest. (A routed network keeps the pods apart; a switch does not.)
   */
  plug(pod: string): void;
  remove(pod: string): void;
}

let made = 0;

export function makePodSwitch(): PodSwitch {
  const prefix = `fl-kv-${process.pid}-${made++}`;
  const name = (which: string) => `${prefix}-${which}`;
  const ip = (...argv: string[]) => execFileSync("ip", argv, { stdio: ["ignore", "ignore", "inherit"] });
  const outside = (...argv: string[]) => ip("-n", name("switch"), ...argv);
  const pods = new Map<string, string>();
  ip("netns", "add", name("switch"));
  outside("link", "add", "br0", "address", "ee:ee:ee:ee:ee:ee", "type", "bridge");
  outside("link", "set", "br0", "up");
  outside("link", "set", "lo", "up");
  for (const address of ["10.77.0.1/32", "169.254.1.1/32"]) outside("address", "add", address, "dev", "br0");
  for (const address of ["fd77::1/128", "fe80::1/64"])
    outside("address", "add", address, "dev", "br0", "nodad");
  outside("route", "add", `${guestAddresses.ipv4}/32`, "dev", "br0");
  outside("-6", "route", "add", `${guestAddresses.ipv6}/128`, "dev", "br0");
  let ports = 0;
  const remove = (pod: string) => {
    if (pods.delete(pod)) ip("netns", "delete", name(pod));
  };
  return {
    outside: `/run/netns/${name("switch")}`,
    add: (pod) => {
      const port = `port${ports++}`;
      const inside = (...argv: string[]) => ip("-n", name(pod), ...argv);
      ip("netns", "add", name(pod));
      pods.set(pod, port);
      outside("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name(pod));
      outside("link", "set", port, "up");
      inside("link", "set", "lo", "up");
      inside("link", "set", "eth0", "up");
      inside("address", "add", `${guestAddresses.ipv4}/32`, "dev", "eth0");
      inside("address", "add", `${guestAddresses.ipv6}/128`, "dev", "eth0", "nodad");
      inside("route", "add", "169.254.1.1", "dev", "eth0", "scope", "link");
      inside("route", "add", "default", "via", "169.254.1.1", "dev", "eth0");
      inside("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0");
      return `/run/netns/${name(pod)}`;
    },
    plug: (pod) => outside("link", "set", pods.get(pod)!, "master", "br0"),
    remove,
    [Symbol.dispose]: () => {
      for (const pod of [...pods.keys()]) remove(pod);
      ip("netns", "delete", name("switch"));
    },
  };
}
