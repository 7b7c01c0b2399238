import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeEntry, encodeEntry } from "./conntrack-codec.ts";
import type { ConntrackEntry } from "./conntrack-entry.ts";
import { NetlinkError } from "./error.ts";
import { decodeInterfaceAddress, encodeInterfaceAddress } from "./interface-address-codec.ts";
import { formatAddress, formatPrefix } from "./ip.ts";
import { decodeLink, encodeLink } from "./link-codec.ts";
import { Attributes, readMessages } from "./message-reader.ts";
import { MessageWriter } from "./message-writer.ts";
import { decodeNeighbour, encodeNeighbour } from "./neighbour-codec.ts";
import { verdict } from "./netlink-socket.ts";
import { maskedPrefix } from "./prefix.ts";
import { decodeRoute, encodeRoute } from "./route-codec.ts";
import { decodeEvents } from "./route-subscription.ts";
import { decodeRule, encodeRule } from "./rule-codec.ts";

/** What a message with this body carries. */
function payload(write: (writer: MessageWriter) => void): Buffer {
  const writer = new MessageWriter(16);
  writer.begin(1, 0, 1);
  write(writer);
  writer.end();
  const [message] = readMessages(Buffer.from(writer.bytes));
  return message!.payload;
}

const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatAddress);
const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatAddress);
const u32 = fc.nat(0xffffffff);
const index = fc.integer({ min: 1, max: 0x7fffffff });
const prefixOf = (bytes: number) =>
  fc
    .tuple(fc.uint8Array({ minLength: bytes, maxLength: bytes }), fc.nat(bytes * 8))
    .map(([address, length]) => formatPrefix(maskedPrefix(Buffer.from(address), length), length));
const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":"));
const name = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,13}$/);

describe("what is written is read back", () => {
  const route = (prefix: fc.Arbitrary<string>, address: fc.Arbitrary<string>) =>
    fc.record({
      destination: prefix,
      table: fc.integer({ min: 1, max: 0xffffffff }),
      type: fc.constantFrom("unicast", "blackhole", "unreachable", "local"),
      protocol: fc.nat(255),
      metric: u32,
      linkIndex: index,
      gateway: address,
      preferredSource: address,
      onlink: fc.boolean(),
      mtu: u32,
    });

  test("routes", () => {
    fc.assert(
      fc.property(
        fc.oneof(route(prefixOf(4), v4), route(prefixOf(16), v6), route(prefixOf(4), v6)),
        (spec) => {
          const preferredSource =
            spec.destination.includes(":") === spec.preferredSource.includes(":")
              ? spec.preferredSource
              : undefined;
          const { preferredSource: _, ...rest } = spec;
          const whole = preferredSource === undefined ? rest : spec;
          expect(decodeRoute(payload((writer) => encodeRoute(writer, whole)))).toMatchObject(whole);
        },
      ),
    );
  });

  test("multipath routes", () => {
    const hop = fc.record({
      linkIndex: index,
      gateway: v4,
      weight: fc.integer({ min: 1, max: 256 }),
      onlink: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(hop, { minLength: 1, maxLength: 8 }), (nextHops) => {
        const decoded = decodeRoute(
          payload((writer) => encodeRoute(writer, { destination: "10.0.0.0/8", nextHops })),
        );
        expect(decoded?.nextHops).toEqual(nextHops);
      }),
    );
  });

  test("addresses", () => {
    const spec = fc.record({
      address: fc
        .oneof(fc.tuple(v4, fc.nat(32)), fc.tuple(v6, fc.nat(128)))
        .map(([ip, length]) => `${ip}/${length}`),
      linkIndex: index,
      scope: fc.constantFrom("global", "link", "host", "site"),
      noPrefixRoute: fc.boolean(),
    });
    fc.assert(
      fc.property(spec, (value) => {
        expect(
          decodeInterfaceAddress(payload((writer) => encodeInterfaceAddress(writer, value))),
        ).toMatchObject(value);
      }),
    );
  });

  test("neighbours", () => {
    const spec = fc.record({
      address: fc.oneof(v4, v6),
      linkIndex: index,
      mac,
      state: fc.constantFrom("permanent", "reachable", "stale", "noarp"),
    });
    fc.assert(
      fc.property(spec, (value) => {
        expect(decodeNeighbour(payload((writer) => encodeNeighbour(writer, value)))).toMatchObject(value);
      }),
    );
  });

  test("rules", () => {
    const spec = fc.record({
      family: fc.constant(4 as const),
      priority: u32,
      table: fc.integer({ min: 1, max: 0xffffffff }),
      mark: u32,
      mask: u32,
      from: prefixOf(4),
      to: prefixOf(4),
      inputInterface: name,
      outputInterface: name,
      invert: fc.boolean(),
      action: fc.constantFrom("table", "blackhole", "prohibit"),
      protocol: fc.nat(255),
    });
    fc.assert(
      fc.property(spec, (value) => {
        expect(decodeRule(payload((writer) => encodeRule(writer, value)))).toMatchObject(value);
      }),
    );
  });

  test("links", () => {
    const spec = fc.record({
      name,
      address: mac,
      mtu: u32,
      group: u32,
      master: index,
      txQueues: u32,
      rxQueues: u32,
      up: fc.boolean(),
    });
    fc.assert(
      fc.property(spec, (value) => {
        const decoded = decodeLink(payload((writer) => encodeLink(writer, { kind: "bridge", ...value })));
        expect(decoded).toMatchObject({ kind: "bridge", ...value });
      }),
    );
  });

  test("tracked connections", () => {
    const port = fc.nat(0xffff);
    const tuple = (ip: fc.Arbitrary<string>) =>
      fc.record({
        source: ip,
        destination: ip,
        protocol: fc.nat(255),
        sourcePort: port,
        destinationPort: port,
      });
    const entry = (ip: fc.Arbitrary<string>) =>
      fc.record({ original: tuple(ip), reply: tuple(ip), mark: u32, timeout: u32 });
    fc.assert(
      fc.property(fc.oneof(entry(v4), entry(v6)), (value) => {
        const decoded = decodeEntry(payload((writer) => encodeEntry(writer, value)));
        expect(decoded?.entry).toMatchObject(value satisfies Partial<ConntrackEntry>);
      }),
    );
  });

  test("many messages in one buffer, which grows", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 50 }), (bodies) => {
        const writer = new MessageWriter(4);
        for (const [i, body] of bodies.entries()) {
          writer.begin(7, 5, i);
          writer.nest(9, () => writer.bytesOf(3, body));
          writer.end();
          // Messages begin at multiples of four.
          expect(writer.length % 4).toBe(0);
        }
        const read = [...readMessages(Buffer.from(writer.bytes))];
        expect(read.map(({ sequence }) => sequence)).toEqual(bodies.map((_, i) => i));
        expect(read.map((message) => new Attributes(message.payload).nested(9)?.bytes(3))).toEqual(
          bodies.map((body) => Buffer.from(body)),
        );
      }),
    );
  });
});

describe("hostile bytes end in a value or in Malformed, never in anything else", () => {
  const decoders = {
    decodeRoute,
    decodeLink,
    decodeInterfaceAddress,
    decodeNeighbour,
    decodeRule,
    decodeEntry,
    events: (bytes: Buffer) => decodeEvents(bytes, 0n),
    verdict: (bytes: Buffer) =>
      verdict({ type: 2, flags: 0x200, sequence: 1, payload: bytes }, () => ({ operation: "test" })),
  } as const;
  const samples = [
    payload((writer) =>
      encodeRoute(writer, {
        destination: "10.0.0.0/8",
        nextHops: [{ gateway: "10.0.0.1", linkIndex: 3 }],
        mtu: 5,
      }),
    ),
    payload((writer) => encodeLink(writer, { kind: "veth", name: "a", peer: { name: "b" } })),
    payload((writer) =>
      encodeEntry(writer, {
        original: { source: "::1", destination: "::2", protocol: 17, sourcePort: 1, destinationPort: 2 },
      }),
    ),
  ];
  const mangled = fc
    .tuple(
      fc.constantFrom(...samples),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
      fc.nat(200),
    )
    .map(([sample, changes, cut]) => {
      const bytes = Buffer.from(sample);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes.subarray(0, Math.max(0, bytes.length - (cut % 40)));
    });

  test.each(Object.entries(decoders))("%s", (_, decode) => {
    fc.assert(
      fc.property(
        fc.oneof(
          mangled,
          fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          try {
            decode(bytes);
          } catch (error) {
            expect(NetlinkError.is(error) && error.code).toBe("Malformed");
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

test("a bridge port's link message is not taken for the link's", () => {
  const message = payload((writer) => encodeLink(writer, { kind: "bridge", name: "br0" }));
  message[0] = 7; // AF_BRIDGE
  expect(decodeLink(message)).toBeUndefined();
});
