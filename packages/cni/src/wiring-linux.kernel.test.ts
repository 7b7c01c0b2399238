import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Conntrack, NetworkNamespace, RouteSocket, readSysctl } from "@fairlead/netlink";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CniError } from "./error.ts";
import { hostInterfaceName } from "./interface-name.ts";
import type { WiringRequest } from "./wiring.ts";
import { createLinuxWiring, type LinuxWiring } from "./wiring-linux.ts";

const hostInterface = hostInterfaceName({ namespace: "default", name: "web" });

/** A node and a pod, each a namespace of this test. */
describe("wiring a pod", () => {
  let directory: string;
  let node: NetworkNamespace;
  let pod: NetworkNamespace;
  let wiring: LinuxWiring;
  let request: WiringRequest;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "fairlead-wiring-"));
    mkdirSync(directory, { recursive: true });
    node = NetworkNamespace.create();
    pod = NetworkNamespace.createAt(join(directory, "pod"));
    wiring = createLinuxWiring({ node });
    request = {
      netns: join(directory, "pod"),
      containerInterface: "eth0",
      hostInterface,
      addresses: ["10.244.0.5", "fd00:10:244::5"],
      queues: 1,
      allowIpForwarding: false,
    };
  });

  afterEach(() => {
    wiring[Symbol.dispose]();
    pod.close();
    NetworkNamespace.remove(join(directory, "pod"));
    node.close();
    rmSync(directory, { recursive: true });
  });

  const linksOf = (netns: NetworkNamespace) => {
    using socket = RouteSocket.open({ netns });
    return socket.links
      .list()
      .map(({ name }) => name)
      .filter((name) => name !== "lo" && !/^(sit|gre|tunl|ip6|erspan|ip_vti)/.test(name));
  };

  it("makes the pair, MACs, addresses, gateways and settings", () => {
    const wired = wiring.attach({ ...request, mac: "02:00:00:00:00:42", mtu: 1400 });
    using host = RouteSocket.open({ netns: node });
    using inside = RouteSocket.open({ netns: pod });
    expect(wired).toMatchObject({ mac: "02:00:00:00:00:42", mtu: 1400 });
    expect(host.links.get(hostInterface)).toMatchObject({
      index: wired.linkIndex,
      address: "ee:ee:ee:ee:ee:ee",
      up: true,
      carrier: true,
      mtu: 1400,
    });
    const eth0 = inside.links.get("eth0");
    expect(eth0).toMatchObject({ address: "02:00:00:00:00:42", up: true, mtu: 1400 });
    const linkIndex = eth0!.index;
    expect(
      inside.addresses.list({ linkIndex }).map(({ address, tentative }) => [address, tentative]),
    ).toEqual(
      expect.arrayContaining([
        ["10.244.0.5/32", false],
        ["fd00:10:244::5/128", false],
      ]),
    );
    const routes = inside.routes
      .list({ linkIndex, table: 254 })
      .map(({ destination, gateway }) => `${destination} ${gateway}`);
    expect(routes).toEqual(
      expect.arrayContaining([
        "0.0.0.0/0 169.254.1.1",
        "169.254.1.1/32 undefined",
        "::/0 fe80::ecee:eeff:feee:eeee",
      ]),
    );
    expect(host.addresses.list({ linkIndex: wired.linkIndex, family: 6 })).toEqual([
      expect.objectContaining({ address: "fe80::ecee:eeff:feee:eeee/64", tentative: false }),
    ]);
    const settings = ["proxy_arp", "route_localnet", "forwarding"].map((name) =>
      readSysctl(["ipv4", "conf", hostInterface, name], { netns: node }),
    );
    expect(settings).toEqual(["1", "1", "1"]);
    expect(readSysctl(["ipv6", "conf", hostInterface, "accept_ra"], { netns: node })).toBe("0");
    expect(readSysctl(["ipv4", "ip_forward"], { netns: pod })).toBe("0");
  });

  it("sets no host route: the agent decides when the pod attracts traffic", () => {
    const { linkIndex } = wiring.attach(request);
    using host = RouteSocket.open({ netns: node });
    const routes = host.routes
      .list({ linkIndex, table: 254 })
      .filter(({ destination }) => !destination.startsWith("fe80::"));
    expect(routes).toEqual([]);
  });

  it("gives the pod a gateway with the MAC that is the same on every node, for ARP and for neighbour discovery", async () => {
    using host = RouteSocket.open({ netns: node });
    // The kernel answers ARP for 169.254.1.1 as it would route it: out of another interface.
    const uplink = host.links.add({ kind: "bridge", name: "uplink", up: true });
    host.addresses.add({ linkIndex: uplink.index, address: "192.0.2.1/24" });
    host.routes.add({ destination: "0.0.0.0/0", gateway: "192.0.2.254", linkIndex: uplink.index });
    wiring.attach(request);
    const enter = (script: string) =>
      execFileSync("nsenter", [`--net=${request.netns}`, "bash", "-c", script]);
    enter("echo x > /dev/udp/192.0.2.77/9; echo x > /dev/udp/2001:db8::1/9");
    using inside = RouteSocket.open({ netns: pod });
    const macOf = (address: string) =>
      inside.neighbours.list().find((neighbour) => neighbour.address === address)?.mac;
    await expect.poll(() => macOf("169.254.1.1")).toBe("ee:ee:ee:ee:ee:ee");
    await expect.poll(() => macOf("fe80::ecee:eeff:feee:eeee")).toBe("ee:ee:ee:ee:ee:ee");
  });

  it("may be done again, also over what a crash left half made", () => {
    expect(() => wiring.attach({ ...request, addresses: ["10.244.0.300"] })).toThrow(CniError);
    expect(linksOf(node)).toEqual([hostInterface]);
    const first = wiring.attach(request);
    const second = wiring.attach(request);
    expect(second.linkIndex).not.toBe(first.linkIndex);
    expect(wiring.inspect(request)).toEqual([]);
    expect(linksOf(node)).toEqual([hostInterface]);
  });

  it("is undone without a trace, and undoing nothing is success", () => {
    wiring.attach(request);
    wiring.detach({ hostInterface });
    expect([linksOf(node), linksOf(pod)]).toEqual([[], []]);
    wiring.detach({ hostInterface });
    const { linkIndex } = wiring.attach(request);
    wiring.detach({ hostInterface, linkIndex });
    expect([linksOf(node), linksOf(pod)]).toEqual([[], []]);
    wiring.detach({ hostInterface, linkIndex });
  });

  it("says what is not as it was made", () => {
    wiring.attach({ ...request, mac: "02:00:00:00:00:42" });
    using inside = RouteSocket.open({ netns: pod });
    const linkIndex = inside.links.get("eth0")!.index;
    inside.addresses.delete({ linkIndex, address: "10.244.0.5/32" });
    inside.routes.delete({ destination: "::/0", linkIndex });
    using host = RouteSocket.open({ netns: node });
    host.links.set(hostInterface, { address: "02:00:00:00:00:99" });
    expect(wiring.inspect({ ...request, mac: "02:00:00:00:00:42" })).toEqual([
      "host interface has MAC 02:00:00:00:00:99, not ee:ee:ee:ee:ee:ee",
      "eth0 lacks 10.244.0.5",
      "the pod lacks its default route via 169.254.1.1",
      "the pod lacks its default route via fe80::ecee:eeff:feee:eeee",
    ]);
    host.links.delete(hostInterface);
    expect(wiring.inspect(request)).toEqual([`host interface ${hostInterface} is missing`]);
  });

  it("names the namespace that is not there", () => {
    expect(() => wiring.attach({ ...request, netns: join(directory, "never") })).toThrow(/wire cali.*never/);
  });

  it("forgets connections of an absent VM, but those with the node and its pods", () => {
    using conntrack = Conntrack.open({ netns: node });
    using host = RouteSocket.open({ netns: node });
    const loopback = host.links.get("lo")!.index;
    const connection = (source: string, destination: string) => ({
      original: { source, destination, protocol: 17, sourcePort: 1000, destinationPort: 53 },
    });
    const sides = [
      { vm: "10.244.0.5", other: "10.244.0.6", own: "192.0.2.1", length: 24, far: "198.51.100.9" },
      { vm: "fd00:10:244::5", other: "fd00:10:244::6", own: "2001:db8::1", length: 64, far: "2001:db8:9::9" },
    ];
    for (const { vm, other, own, length, far } of sides) {
      host.addresses.replace({ linkIndex: loopback, address: `${own}/${length}`, noDad: true });
      for (const peer of [other, own, far]) conntrack.add(connection(peer, vm));
      conntrack.add(connection(other, far));
    }
    const remaining = () =>
      conntrack.list().map(({ original: { source, destination } }) => `${source} ${destination}`);
    const addresses = sides.map(({ vm }) => vm);
    wiring.forget({ addresses, peers: sides.map(({ other }) => other) });
    expect(remaining().toSorted()).toEqual(
      sides
        .flatMap(({ vm, other, own, far }) => [`${other} ${vm}`, `${own} ${vm}`, `${other} ${far}`])
        .toSorted(),
    );
    wiring.forget({ addresses });
    expect(remaining().toSorted()).toEqual(sides.map(({ other, far }) => `${other} ${far}`).toSorted());
    wiring.forget({ addresses: [] });
  });
});
