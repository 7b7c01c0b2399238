import { NetworkNamespace, RouteSocket, TunTap, type TunTapFrame, writeSysctl } from "@fairlead/netlink";
import { afterEach, describe, expect, it } from "vitest";
import { seeOff } from "./see-off.ts";

const guestMac = "02:00:00:00:00:01";
const noOffload = Buffer.alloc(10);
const families = [
  { family: 4, guest: "10.9.0.5", destination: "10.9.0.5/32", client: "192.0.2.7", back: "192.0.2.0/24" },
  { family: 6, guest: "fd09::5", destination: "fd09::5/128", client: "2001:db8::7", back: "2001:db8::/64" },
] as const;
type FamilyCase = (typeof families)[number];

let resources = new DisposableStack();
afterEach(() => {
  resources.dispose();
  resources = new DisposableStack();
});

/**
 * A host with a guest in bridge binding: its pod's own interface and its tap are ports of one bridge. Clients are behind one tun of the host, the host the
 * guest goes to behind another.
 */
function host() {
  const netns = resources.use(NetworkNamespace.create());
  const pod = resources.use(NetworkNamespace.create());
  const route = resources.use(RouteSocket.open({ netns }));
  const inside = resources.use(RouteSocket.open({ netns: pod }));
  const veth = route.links.add({
    kind: "veth",
    name: "cali0",
    up: true,
    peer: { name: "eth0-nic", netns: pod, up: true },
  });
  const bridge = inside.links.add({ kind: "bridge", name: "k6t-eth0", up: true });
  inside.links.set("eth0-nic", { master: bridge.index });
  const guest = resources.use(TunTap.open({ kind: "tap", name: "tap0", netns: pod, offloads: true }));
  inside.links.set("tap0", { up: true, master: bridge.index });
  const client = resources.use(TunTap.open({ kind: "tun", name: "client0", netns }));
  const elsewhere = resources.use(TunTap.open({ kind: "tun", name: "tor0", netns }));
  for (const [key, value] of [
    [["ipv4", "ip_forward"], 1],
    [["ipv6", "conf", "all", "forwarding"], 1],
    // As strict as a host may be.
    [["ipv4", "conf", "all", "rp_filter"], 1],
  ] as const)
    writeSysctl(key, value, { netns });
  for (const name of ["client0", "tor0"]) route.links.set(name, { up: true });
  const indexOf = (name: string) => route.links.get(name)!.index;
  for (const { guest: address, destination, back } of families) {
    route.routes.add({ destination, linkIndex: veth.index, metric: 1024 });
    route.routes.add({ destination: back, linkIndex: indexOf("client0") });
    route.neighbours.replace({ linkIndex: veth.index, address, mac: guestMac, state: "permanent" });
  }
  const sent: [number, number][] = [];
  const problems: Error[] = [];
  const addresses = families.map(({ guest: address }) => address);
  return {
    guest,
    client,
    elsewhere,
    sent,
    problems,
    inside,
    seeOff: () =>
      resources.use(
        seeOff(
          { netns, pod, linkIndex: veth.index, addresses },
          {
            sent: (packets, family) => sent.push([family, packets]),
            problem: (error) => problems.push(error),
          },
        ),
      ),
    move: ({ destination }: FamilyCase) =>
      route.routes.add({ destination, linkIndex: indexOf("tor0"), metric: 512 }),
  };
}

const addressBytes = (address: string): Buffer =>
  address.includes(":")
    ? Buffer.from(
        address
          .replace("::", `${":0".repeat(9 - address.split(":").length)}:`)
          .split(":")
          .map((part) => part.padStart(4, "0"))
          .join(""),
        "hex",
      )
    : Buffer.from(address.split(".").map(Number));

/** RFC 1071. */
function checksum(...parts: readonly Buffer[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function pseudoHeader({ client, guest }: FamilyCase, protocol: number, length: number): Buffer {
  const rest = Buffer.alloc(4);
  rest.writeUInt16BE(length, 0);
  rest.writeUInt16BE(protocol, 2);
  return Buffer.concat([addressBytes(client), addressBytes(guest), rest]);
}

function packet(one: FamilyCase, protocol: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(one.family === 4 ? 20 : 40);
  if (one.family === 4) {
    header[0] = 0x45;
    header.writeUInt16BE(20 + payload.length, 2);
    header[8] = 64;
    header[9] = protocol;
    addressBytes(one.client).copy(header, 12);
    addressBytes(one.guest).copy(header, 16);
    header.writeUInt16BE(checksum(header), 10);
  } else {
    header[0] = 0x60;
    header.writeUInt16BE(payload.length, 4);
    header[6] = protocol;
    header[7] = 64;
    addressBytes(one.client).copy(header, 8);
    addressBytes(one.guest).copy(header, 24);
  }
  return Buffer.concat([header, payload]);
}

/** A datagram with a number in it. */
function datagram(one: FamilyCase, mark: number): TunTapFrame {
  const udp = Buffer.alloc(12);
  udp.writeUInt16BE(40000, 0);
  udp.writeUInt16BE(7, 2);
  udp.writeUInt16BE(udp.length, 4);
  udp.writeUInt32BE(mark, 8);
  udp.writeUInt16BE(checksum(pseudoHeader(one, 17, udp.length), udp), 6);
  return { bytes: packet(one, 17, udp), offload: noOffload };
}

/** What a program finds, without what the kernel itself has to say on a new link. */
function readAll(program: TunTap, isFrame: boolean): Buffer[] {
  const found: Buffer[] = [];
  for (let next = program.read(); next; next = program.read()) {
    const bytes = isFrame ? next.bytes.subarray(14) : next.bytes;
    const protocol = bytes[0] === 0x45 ? bytes[9] : bytes[6];
    if (protocol === 17 || protocol === 6) found.push(bytes);
  }
  return found;
}
const markOf = (bytes: Buffer) => bytes.readUInt32BE((bytes[0] === 0x45 ? 20 : 40) + 8);
const marks = (program: TunTap, isFrame: boolean) => readAll(program, isFrame).map(markOf);
/** Longer than from one look at what was read to the next. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 60));

describe.each(families)("of IPv$family", (one) => {
  it("sends exactly what the guest has not read, in order, when routes lead elsewhere", async () => {
    const { client, guest, elsewhere, sent, move, seeOff: begin } = host();
    client.write(datagram(one, 1));
    begin();
    for (const mark of [2, 3, 4]) client.write(datagram(one, mark));
    expect(marks(guest, true)).toEqual([1, 2, 3, 4]);
    await aWhile();
    for (const mark of [5, 6]) client.write(datagram(one, mark));
    expect(marks(guest, true)).toEqual([5, 6]);
    await aWhile();
    for (const mark of [7, 8, 9]) client.write(datagram(one, mark));
    await aWhile();
    move(one);
    await expect.poll(() => sent).toEqual([[one.family, 3]]);
    client.write(datagram(one, 10));
    expect(marks(elsewhere, false)).toEqual([7, 8, 9, 10]);
  });

  it("finishes what the sender left to the network card", async () => {
    const { client, elsewhere, sent, problems, move, seeOff: begin } = host();
    begin();
    client.write(unfinished(one, 3_000, 1_000));
    move(one);
    await expect.poll(() => sent).toEqual([[one.family, 1]]);
    expect(problems).toEqual([]);
    const segments = readAll(elsewhere, false);
    const header = one.family === 4 ? 20 : 40;
    expect(segments.map((bytes) => bytes.length - header - 20)).toEqual([1_000, 1_000, 1_000]);
    for (const bytes of segments) {
      const tcp = bytes.subarray(header);
      expect(checksum(pseudoHeader(one, 6, tcp.length), tcp)).toBe(0);
    }
  });
});

/** A TCP segment of many, as a sender with segmentation offload makes it: one header, the checksum begun. */
function unfinished(one: FamilyCase, length: number, segment: number): TunTapFrame {
  const tcp = Buffer.alloc(20 + length, 0x61);
  tcp.fill(0, 0, 20);
  tcp.writeUInt16BE(40000, 0);
  tcp.writeUInt16BE(7, 2);
  tcp[12] = 0x50;
  tcp[13] = 0x10;
  tcp.writeUInt16BE(0xffff, 14);
  tcp.writeUInt16BE(~checksum(pseudoHeader(one, 6, tcp.length)) & 0xffff, 16);
  const header = one.family === 4 ? 20 : 40;
  const offload = Buffer.alloc(10);
  offload[0] = 1;
  offload[1] = one.family === 4 ? 1 : 4;
  offload.writeUInt16LE(header + 20, 2);
  offload.writeUInt16LE(segment, 4);
  offload.writeUInt16LE(header, 6);
  offload.writeUInt16LE(16, 8);
  return { bytes: packet(one, 6, tcp), offload };
}

it("sends each family when its own route leads elsewhere", async () => {
  const { client, elsewhere, sent, move, seeOff: begin } = host();
  begin();
  for (const one of families) client.write(datagram(one, one.family));
  move(families[1]);
  await expect.poll(() => sent).toEqual([[6, 1]]);
  expect(marks(elsewhere, false)).toEqual([6]);
  move(families[0]);
  await expect
    .poll(() => sent)
    .toEqual([
      [6, 1],
      [4, 1],
    ]);
  expect(marks(elsewhere, false)).toEqual([4]);
});

it("sends nothing while the guest stays, and nothing after it was disposed", async () => {
  const { client, guest, elsewhere, sent, move, seeOff: begin } = host();
  const departure = begin();
  for (const one of families) client.write(datagram(one, 1));
  await aWhile();
  expect(marks(guest, true)).toEqual([1, 1]);
  for (const one of families) client.write(datagram(one, 2));
  departure[Symbol.dispose]();
  for (const one of families) move(one);
  await aWhile();
  expect([sent, marks(elsewhere, false), marks(guest, true)]).toEqual([[], [], [2, 2]]);
});

it("leaves nothing on the host, and does nothing for a guest that is bound otherwise", () => {
  const { inside, seeOff: begin, sent } = host();
  begin()[Symbol.dispose]();
  inside.links.set("tap0", { master: null });
  begin()[Symbol.dispose]();
  expect(sent).toEqual([]);
});
