import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddress, parseAddress, parsePrefix } from "./ip.ts";
import { formatMac, parseMac } from "./mac.ts";
import { contains, maskedPrefix } from "./prefix.ts";

const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Runs of zeros, where IPv6 text is hard.
  fc
    .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
    .map((bytes) => Uint8Array.from(bytes)),
);

test("every address survives text", () => {
  fc.assert(
    fc.property(address, (bytes) => {
      expect(parseAddress(formatAddress(bytes))).toEqual(Buffer.from(bytes));
    }),
  );
});

test("text of addresses is what Node.js takes for one", () => {
  fc.assert(fc.property(address, (bytes) => (bytes.length === 4 ? isIPv4 : isIPv6)(formatAddress(bytes))));
});

test("what is no address to Node.js is none here", () => {
  const text = fc.string({
    unit: fc.constantFrom("0", "1", "25", "f", ":", "::", ".", "/", " ", "%", "g"),
    maxLength: 12,
  });
  fc.assert(
    fc.property(fc.oneof(text, fc.ipV6(), fc.ipV4()), (value) => {
      const known = !value.includes("%") && (isIPv4(value) || isIPv6(value));
      let ours = true;
      try {
        parseAddress(value);
      } catch {
        ours = false;
      }
      expect(ours).toBe(known);
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:0db8:0:0:0:0:0:0001", "2001:db8::1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["::FFFF:192.0.2.1", "::ffff:c000:201"],
  ["0:0:0:0:0:0:0:0", "::"],
])("%s is written %s (RFC 5952)", (text, canonical) => {
  expect(formatAddress(parseAddress(text))).toBe(canonical);
});

test.each(["10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/", "10.0.0.1/024", "::/129", "10.0.0.1/8/8", "/8"])(
  "%s is no prefix",
  (text) => {
    expect(() => parsePrefix(text)).toThrow(expect.objectContaining({ code: "Invalid" }));
  },
);

test("a prefix covers exactly the addresses that share its bits", () => {
  fc.assert(
    fc.property(address, fc.nat(128), fc.nat(127), (bytes, bits, flip) => {
      const size = bytes.length * 8;
      const length = bits % (size + 1);
      const at = flip % size;
      const prefix = `${formatAddress(maskedPrefix(Buffer.from(bytes), length))}/${length}`;
      const other = Buffer.from(bytes);
      other[at >> 3]! ^= 0x80 >> (at & 7);
      expect(contains(prefix, Buffer.from(bytes))).toBe(true);
      expect(contains(prefix, other)).toBe(at >= length);
    }),
  );
});

test("every MAC survives text, and other text is refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      expect(parseMac(formatMac(bytes))).toEqual(Buffer.from(bytes));
    }),
  );
  for (const text of [
    "",
    "02:00:00:00:00",
    "02:00:00:00:00:0g",
    "020000000001",
    "02-00-00-00-00-01",
    "02:00:00:00:00:01:02",
  ]) {
    expect(() => parseMac(text)).toThrow(expect.objectContaining({ code: "Invalid" }));
  }
});
