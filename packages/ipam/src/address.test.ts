import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cidrContains, formatAddress, formatCidr, networkOf, parseAddress, parseCidr } from "./address.ts";
import { blockGeometry } from "./block-geometry.ts";

const address = fc.oneof(
  fc.bigInt(0n, 2n ** 32n - 1n).map((value) => ({ family: 4 as const, value })),
  fc.bigInt(0n, 2n ** 128n - 1n).map((value) => ({ family: 6 as const, value })),
  fc.array(fc.constantFrom<bigint[]>(0n, 0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 }).map((groups) => ({
    family: 6 as const,
    value: groups.reduce((value, group) => (value << 16n) | group),
  })),
);

test("an address survives its text, and the text is canonical", () => {
  fc.assert(
    fc.property(address, (one) => {
      const text = formatAddress(one);
      expect(one.family === 4 ? isIPv4(text) : isIPv6(text)).toBe(true);
      expect(parseAddress(text)).toEqual(one);
      if (one.family === 6) expect(text).toBe(new URL(`http://[${text}]/`).hostname.slice(1, -1));
    }),
  );
});

test.each(["", "10.1", "010.0.0.1", "1.2.3.4/32", "fe80::1%eth0", "::ffff:1.2.3", "1.2.3.256", " 1.2.3.4"])(
  "%j is no address",
  (text) => expect(parseAddress(text)).toBeUndefined(),
);

test.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "::/129", "10.0.0.0/-1"])(
  "%j is no CIDR",
  (text) => expect(parseCidr(text)).toBeUndefined(),
);

test("ordinal and address of a block are inverse, in both families", () => {
  const block = fc.oneof(
    fc.tuple(
      address.filter(({ family }) => family === 4),
      fc.integer({ min: 20, max: 32 }),
    ),
    fc.tuple(
      address.filter(({ family }) => family === 6),
      fc.integer({ min: 116, max: 128 }),
    ),
  );
  fc.assert(
    fc.property(block, fc.nat(), ([start, prefixLength], n) => {
      const network = networkOf({ ...start, prefixLength });
      const geometry = blockGeometry(formatCidr(network))!;
      const ordinal = n % geometry.size;
      const text = geometry.addressOf(ordinal);
      expect(geometry.ordinalOf(text)).toBe(ordinal);
      expect(cidrContains(network, parseAddress(text)!)).toBe(true);
    }),
  );
});

test.each(["10.0.0.1/26", "10.0.0.0/19", "fd00::/64", "fd00:0::/122", "x"])("%j is no block", (text) =>
  expect(blockGeometry(text)).toBeUndefined(),
);
