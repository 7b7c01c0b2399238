import type { Frame } from "@fairlead/netlink";
import { describe, expect, it } from "vitest";
import { packetOf } from "./packet.ts";

function frameOf(type: number, packet: Buffer, more: Partial<Frame> = {}): Frame {
  const header = Buffer.alloc(14);
  header.writeUInt16BE(type, 12);
  const bytes = Buffer.concat([header, packet]);
  return { bytes, length: bytes.length, at: 0n, direction: "outgoing", linkIndex: 1, ...more };
}

const v4 = Buffer.concat([Buffer.alloc(16, 0x45), Buffer.from([10, 0, 0, 5])]);
const v6 = Buffer.concat([Buffer.alloc(24, 0x60), Buffer.from("fd000000000000000000000000000005", "hex")]);

/** struct virtio_net_hdr. */
function offload(flags: number, kind: number, headers: number, checksum: number): Buffer {
  const bytes = Buffer.alloc(10);
  bytes[0] = flags;
  bytes[1] = kind;
  bytes.writeUInt16LE(headers, 2);
  bytes.writeUInt16LE(1448, 4);
  bytes.writeUInt16LE(checksum, 6);
  bytes.writeUInt16LE(16, 8);
  return bytes;
}

describe("packetOf", () => {
  it.each([
    ["IPv4", 0x0800, v4, 4, "10.0.0.5"],
    ["IPv6", 0x86dd, v6, 6, "fd00::5"],
  ] as const)("finds an %s packet and whom it is for", (_, type, packet, family, destination) => {
    const found = packetOf(frameOf(type, packet));
    expect(found).toMatchObject({ family, destination, bytes: packet, offload: Buffer.alloc(10) });
  });

  it("counts what is left to do from the packet's first byte", () => {
    const found = packetOf(frameOf(0x0800, v4, { offload: offload(1, 1, 54, 34) }));
    expect(found?.offload).toEqual(offload(1, 1, 40, 20));
  });

  it("leaves a header that asks for nothing as it is", () => {
    expect(packetOf(frameOf(0x0800, v4, { offload: offload(2, 0, 0, 0) }))?.offload).toEqual(
      offload(2, 0, 0, 0),
    );
  });

  it.each([
    ["another protocol", frameOf(0x0806, v4)],
    ["a VLAN tag", frameOf(0x8100, v4)],
    ["half a header", frameOf(0x86dd, v6.subarray(0, 39))],
    ["a frame that was cut", frameOf(0x0800, v4, { length: 2000 })],
    ["nothing", { ...frameOf(0, v4), bytes: Buffer.alloc(3), length: 3 }],
  ])("finds none in %s", (_, frame) => expect(packetOf(frame)).toBeUndefined());
});
