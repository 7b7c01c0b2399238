import { runProgram } from "@fairlead/netlink";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildAdvertisement, buildGratuitousArp, buildRarp } from "./build.ts";
import { type Classification, classify, type Refusal } from "./classify.ts";
import { announcementFilter, SNAP_LENGTH } from "./filter.ts";
import { ARP, checksumOf, ETH, IPV6, NA } from "./frame.ts";

const mac = "02:00:00:00:00:01";
const stranger = "02:00:00:00:00:99";
const expected = { mac, addresses: ["10.0.0.5", "fd00::5"] };
const filter = announcementFilter(mac);

/** A frame with bytes changed; the ICMPv6 checksum is made right again, so that it is not what refuses. */
function forge(frame: Buffer, change: (frame: Buffer) => void): Buffer {
  const forged = Buffer.from(frame);
  change(forged);
  if (forged.length >= NA.options && forged.readUInt16BE(ETH.type) === 0x86dd) {
    forged.writeUInt16BE(0, NA.checksum);
    forged.writeUInt16BE(checksumOf(forged, forged.length), NA.checksum);
  }
  return forged;
}

const heard = (frame: Buffer): boolean => runProgram(filter, frame) > 0;
const refused = (reason: Refusal): Classification => ({ accepted: false, reason });

const announcements = [
  ["a RARP request", buildRarp(mac), { kind: "rarp", address: undefined }],
  ["a gratuitous ARP request", buildGratuitousArp(mac, "10.0.0.5"), { kind: "garp", address: "10.0.0.5" }],
  [
    "a gratuitous ARP reply",
    buildGratuitousArp(mac, "10.0.0.5", "reply"),
    { kind: "garp", address: "10.0.0.5" },
  ],
  [
    "an advertisement of the VM's address",
    buildAdvertisement(mac, "fd00::5"),
    { kind: "na", address: "fd00::5" },
  ],
  [
    "an advertisement of a link-local address",
    buildAdvertisement(mac, "fe80::5"),
    { kind: "na", address: "fe80::5" },
  ],
] as const;

describe("announcements", () => {
  test.each(announcements)("%s is heard and accepted", (_, frame, verdict) => {
    expect(heard(frame)).toBe(true);
    expect(classify(frame, expected)).toEqual({ accepted: true, ...verdict });
  });

  test.each(announcements)("%s without Ethernet padding is accepted", (_, frame, verdict) => {
    const bare = frame.readUInt16BE(ETH.type) === 0x86dd ? frame : frame.subarray(0, ARP.end);
    expect(classify(bare, expected)).toEqual({ accepted: true, ...verdict });
  });

  test.each(announcements)("%s cut anywhere is refused, not read beyond its end", (_, frame) => {
    const least = frame.readUInt16BE(ETH.type) === 0x86dd ? frame.length : ARP.end;
    for (let length = 0; length < least; length++) {
      expect(classify(frame.subarray(0, length), expected).accepted).toBe(false);
    }
  });
});

/** The threats: who could attract another machine's traffic, and what stops him. `inKernel`: he does not even wake the process. */
const threats: readonly [name: string, frame: Buffer, reason: Refusal, inKernel: boolean][] = [
  ["a RARP from another MAC", buildRarp(stranger), "other source MAC", true],
  [
    "a gratuitous ARP from another MAC for the VM's address",
    buildGratuitousArp(stranger, "10.0.0.5"),
    "other source MAC",
    true,
  ],
  [
    "an advertisement from another MAC for the VM's address",
    buildAdvertisement(stranger, "fd00::5"),
    "other source MAC",
    true,
  ],
  [
    "the VM announcing another machine's IPv4 address",
    buildGratuitousArp(mac, "10.0.0.6"),
    "address of another machine",
    false,
  ],
  [
    "the VM announcing another machine's IPv6 address",
    buildAdvertisement(mac, "fd00::6"),
    "address of another machine",
    false,
  ],
  [
    "another MAC inside a RARP that the VM's MAC sends",
    forge(buildRarp(stranger), (frame) => buildRarp(mac).copy(frame, ETH.source, ETH.source, ETH.type)),
    "other hardware address inside",
    true,
  ],
  [
    "a RARP that asks for another machine's address",
    forge(buildRarp(mac), (frame) => frame.write("020000000099", ARP.targetHardware, "hex")),
    "other hardware address inside",
    false,
  ],
  [
    "another sender MAC inside a gratuitous ARP",
    forge(buildGratuitousArp(mac, "10.0.0.5"), (frame) =>
      frame.write("020000000099", ARP.senderHardware, "hex"),
    ),
    "other hardware address inside",
    true,
  ],
  [
    "an advertisement that points the address at another MAC",
    forge(buildAdvertisement(mac, "fd00::5"), (frame) => frame.write("020000000099", NA.options + 2, "hex")),
    "other target link-layer address",
    false,
  ],
  [
    "an advertisement that was routed here",
    forge(buildAdvertisement(mac, "fd00::5"), (frame) => frame.writeUInt8(254, IPV6.hopLimit)),
    "hop limit below 255",
    true,
  ],
  [
    "an advertisement that answers a solicitation",
    forge(buildAdvertisement(mac, "fd00::5"), (frame) => frame.writeUInt8(0x60, NA.flags)),
    "solicited advertisement",
    false,
  ],
  [
    "an advertisement with a broken checksum",
    (() => {
      const frame = buildAdvertisement(mac, "fd00::5");
      frame.writeUInt16BE(frame.readUInt16BE(NA.checksum) ^ 1, NA.checksum);
      return frame;
    })(),
    "bad checksum",
    false,
  ],
  [
    "an ordinary ARP request of the guest",
    forge(buildGratuitousArp(mac, "10.0.0.5"), (frame) => frame.write("a9fe0101", ARP.targetAddress, "hex")),
    "ARP for another address than its sender's",
    false,
  ],
  [
    "an ARP probe (RFC 5227), before the guest owns its address",
    forge(buildGratuitousArp(mac, "10.0.0.5"), (frame) => frame.writeUInt32BE(0, ARP.senderAddress)),
    "ARP for another address than its sender's",
    false,
  ],
  ["an ARP for 0.0.0.0", buildGratuitousArp(mac, "0.0.0.0"), "address of another machine", false],
  [
    "a RARP reply",
    forge(buildRarp(mac), (frame) => frame.writeUInt16BE(4, ARP.operation)),
    "RARP that is no request",
    true,
  ],
  [
    "an ARP with other lengths than Ethernet and IPv4",
    forge(buildGratuitousArp(mac, "10.0.0.5"), (frame) => frame.writeUInt8(16, ARP.protocolLength)),
    "malformed ARP",
    false,
  ],
  [
    "a neighbour solicitation: duplicate address detection asks, it does not own yet",
    forge(buildAdvertisement(mac, "fd00::5"), (frame) => frame.writeUInt8(135, NA.type)),
    "not a neighbour advertisement",
    true,
  ],
  [
    "an option of length zero, which would never end",
    forge(buildAdvertisement(mac, "fd00::5"), (frame) => frame.writeUInt8(0, NA.options + 1)),
    "bad option",
    false,
  ],
  [
    "an option longer than the frame",
    forge(buildAdvertisement(mac, "fd00::5"), (frame) => frame.writeUInt8(9, NA.options + 1)),
    "bad option",
    false,
  ],
  [
    "a payload longer than the frame",
    forge(buildAdvertisement(mac, "fd00::5"), (frame) => frame.writeUInt16BE(60000, IPV6.payloadLength)),
    "too short",
    false,
  ],
  [
    "a VLAN tag before an ARP",
    Buffer.concat([
      buildRarp(mac).subarray(0, 12),
      Buffer.from("81000001", "hex"),
      buildRarp(mac).subarray(12),
    ]),
    "VLAN tag",
    true,
  ],
  [
    "an IPv4 packet of the guest",
    forge(buildRarp(mac), (frame) => frame.writeUInt16BE(0x0800, ETH.type)),
    "other ethertype",
    true,
  ],
];

describe("threats", () => {
  test.each(threats)("%s is refused", (_, frame, reason, inKernel) => {
    expect(classify(frame, expected)).toEqual(refused(reason));
    expect(heard(frame)).toBe(!inKernel);
  });
});

test("what is accepted, the kernel's filter lets through whole", () => {
  const change = fc.tuple(fc.nat(59), fc.nat(255));
  fc.assert(
    fc.property(
      fc.constantFrom(...announcements),
      fc.array(change, { maxLength: 3 }),
      ([, frame], changes) => {
        const forged = forge(frame, (bytes) => {
          for (const [at, value] of changes) bytes[at] = value;
        });
        if (classify(forged, expected).accepted) expect(runProgram(filter, forged)).toBe(SNAP_LENGTH);
      },
    ),
    { numRuns: 2000 },
  );
});

test("no frame whatever makes the judgement fail, and noise is refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      const frame = Buffer.from(bytes);
      expect(classify(frame, expected).accepted).toBe(false);
      const disguised = Buffer.concat([buildRarp(mac).subarray(0, 12), frame]);
      classify(disguised, expected);
      runProgram(filter, disguised);
    }),
  );
});

test("a MAC or address that is none is refused", () => {
  const frame = buildRarp(mac);
  expect(() => classify(frame, { mac: "nonsense", addresses: [] })).toThrow(
    expect.objectContaining({ code: "Invalid" }),
  );
  expect(() => classify(frame, { mac, addresses: ["10.0.0.5/32"] })).toThrow(
    expect.objectContaining({ code: "Invalid" }),
  );
});
