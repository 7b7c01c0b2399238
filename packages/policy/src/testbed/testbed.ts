import { NetworkNamespace, RouteSocket, writeSysctl } from "@fairlead/netlink";
import type { LocalEndpoint } from "../endpoint.ts";
import { buildFrame, type FrameSpec } from "./frame.ts";
import { Wire } from "./wire.ts";

/** Every host-side interface has this address, as on a real node. */
export const hostMac = "ee:ee:ee:ee:ee:ee";

/** One workload: an interface of the node whose other end is held by the test. */
export interface TestWorkload {
  readonly endpoint: LocalEndpoint;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** The workload's end of its link. */
  readonly wire: Wire;
  /** Index of that end, in the far namespace. */
  readonly linkIndex: number;
  /** The node's end, past the firewall. */
  readonly near: Wire;
}

/**
 * A node: a namespace that routes between workload interfaces and an uplink. The far ends of all links lie in a second namespace, where
 * the test injects and observes frames without any network stack in between.
 */
export class Testbed implements Disposable {
  readonly node = NetworkNamespace.create();
  readonly far = NetworkNamespace.create();
  readonly #nodeNet: RouteSocket;
  readonly #farNet: RouteSocket;
  readonly #wires: Wire[] = [];
  #links = 0;
  /** The world beyond the node: 192.0.2.0/24 and 2001:db8::/64 lie there. */
  readonly uplink: TestWorkload;

  constructor() {
    this.#nodeNet = RouteSocket.open({ netns: this.node });
    this.#farNet = RouteSocket.open({ netns: this.far });
    this.#nodeNet.links.set("lo", { up: true });
    for (const name of ["ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv6/conf/default/forwarding"]) {
      writeSysctl(name.split("/"), "1", { netns: this.node });
    }
    writeSysctl(["ipv6", "conf", "default", "accept_dad"], "0", { netns: this.node });
    writeSysctl(["ipv6", "conf", "default", "disable_ipv6"], "1", { netns: this.far });
    this.uplink = this.#link("uplink", "192.0.2.7", "2001:db8::7");
    const linkIndex = this.#nodeNet.links.get("uplink")?.index ?? 0;
    this.#nodeNet.addresses.add({ linkIndex, address: "192.0.2.1/32", noPrefixRoute: true });
    this.#nodeNet.addresses.add({ linkIndex, address: "2001:db8::1/128", noPrefixRoute: true, noDad: true });
    this.#nodeNet.routes.replace({ destination: "0.0.0.0/0", gateway: "192.0.2.7", linkIndex, onlink: true });
    this.#nodeNet.routes.replace({ destination: "::/0", gateway: "2001:db8::7", linkIndex });
  }

  /** An address of the node itself, reachable from everywhere. */
  static readonly node4 = "192.0.2.1";
  static readonly node6 = "2001:db8::1";

  /** A new workload; the endpoint's fields can be changed. */
  workload(changes: Partial<LocalEndpoint> = {}): TestWorkload {
    const number = this.#links;
    const [ipv4 = `10.65.0.${number}`, ipv6 = `fd00:65::${number}`] = changes.addresses ?? [];
    return this.#link(`cali${String(number).padStart(8, "0")}`, ipv4, ipv6, changes);
  }

  run<T>(action: () => T): T {
    return this.node.run(action);
  }

  links(): RouteSocket {
    return this.#nodeNet;
  }

  [Symbol.dispose](): void {
    for (const wire of this.#wires) wire[Symbol.dispose]();
    this.#nodeNet.close();
    this.#farNet.close();
    this.node.close();
    this.far.close();
  }

  #link(name: string, ipv4: string, ipv6: string, changes: Partial<LocalEndpoint> = {}): TestWorkload {
    const number = this.#links++;
    const mac = `02:00:00:00:00:${(number + 1).toString(16).padStart(2, "0")}`;
    const farName = `far${number}`;
    const near = this.#nodeNet.links.add({
      kind: "veth",
      name,
      address: hostMac,
      up: true,
      peer: { name: farName, address: mac, up: true, netns: this.far },
    });
    for (const address of [ipv4, ipv6]) {
      this.#nodeNet.routes.replace({
        destination: `${address}/${address.includes(":") ? 128 : 32}`,
        linkIndex: near.index,
      });
      this.#nodeNet.neighbours.replace({ linkIndex: near.index, address, mac });
    }
    const linkIndex = this.#farNet.links.get(farName)?.index ?? 0;
    const wire = new Wire(this.far, linkIndex);
    const nearWire = new Wire(this.node, near.index);
    const endpoint: LocalEndpoint = {
      id: `k8s/default.pod-${number}/eth0`,
      interfaceName: name,
      pod: { namespace: "default", name: `pod-${number}` },
      labels: {},
      addresses: [ipv4, ipv6],
      macs: [mac],
      state: "running",
      ...changes,
    };
    this.#wires.push(wire, nearWire);
    return { endpoint, mac, ipv4, ipv6, wire, linkIndex, near: nearWire };
  }
}

/** A frame from a workload to wherever, through the node. */
export function frameFrom(
  sender: Pick<TestWorkload, "mac">,
  packet: Omit<FrameSpec, "sourceMac" | "destinationMac">,
): Buffer {
  return buildFrame({ sourceMac: sender.mac, destinationMac: hostMac, ...packet });
}

/**
 * Whether `probe` arrives at a receiver. After it, marks are sent over the receiver's link past the firewall: when they are there and
 * the probe is not, it was dropped.
 */
export function arrives(from: TestWorkload, to: TestWorkload, probe: Buffer): boolean {
  return heard(from, to, probe).some((frame) => samePayload(frame, probe));
}

/** Everything the receiver hears up to the marks that follow the probe. */
export function heard(from: TestWorkload, to: TestWorkload, probe: Buffer): Buffer[] {
  while (to.wire.receive() !== undefined);
  from.wire.send(probe);
  const frames: Buffer[] = [];
  for (let round = 0; round < 3; round++) {
    const mark = Buffer.alloc(60);
    mark.write("ffffffffffff" + "eeeeeeeeeeee" + "88b5", "hex");
    mark.writeUInt32LE(++marks, 14);
    sendMark(
      () => to.near.send(mark),
      () => {
        const frame = to.wire.receive();
        if (frame?.equals(mark)) return "mark";
        if (frame !== undefined) frames.push(frame);
        return frame;
      },
    );
  }
  return frames;
}

let marks = 0;
const patience = 20_000;
const resendAfter = 100;

/**
 * Sends a mark and reads until it is there, again if it takes long: the kernel's queue for received packets is one for all namespaces,
 * and others may have filled it. Times in milliseconds.
 *
 * @param read the next thing that has arrived: the mark, something else, or nothing yet
 */
export function sendMark(send: () => void, read: () => "mark" | Buffer | undefined): void {
  const begin = performance.now();
  let sent = begin;
  send();
  for (;;) {
    const got = read();
    if (got === "mark") return;
    if (got !== undefined) continue;
    const now = performance.now();
    if (now - begin > patience) throw new Error("the mark after the probe never arrived");
    if (now - sent < resendAfter) continue;
    sent = now;
    send();
  }
}

/** Compares what forwarding does not change: everything after the hop limit and header checksum. */
export function samePayload(a: Buffer, b: Buffer): boolean {
  if (a.length !== b.length || !a.subarray(12, 14).equals(b.subarray(12, 14))) return false;
  const offset = a.readUInt16BE(12) === 0x0800 ? 26 : 22;
  return a.subarray(offset).equals(b.subarray(offset));
}
