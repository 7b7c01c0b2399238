import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { expect, test } from "vitest";
import { bounds, contains } from "./network.ts";
import { address } from "./value.ts";

const network = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
  fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
);

test("a network's bounds enclose the addresses that a general reader finds in it, and no others", () => {
  fc.assert(
    fc.property(network, fc.oneof(fc.ipV4(), fc.ipV6()), ([base, length], other) => {
      const range = bounds(`${base}/${length}`);
      for (const text of [base, other]) {
        const parsed = ipaddr.parse(text);
        const within = ipaddr.parse(base);
        const expected = parsed.kind() === within.kind() && parsed.match(within, length);
        expect(contains(range, address(text))).toBe(expected);
      }
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["10.1.2.3/8", "0a000000", "0affffff"],
  ["0.0.0.0/0", "00000000", "ffffffff"],
  ["192.0.2.1/32", "c0000201", "c0000201"],
  ["fd00::1/127", `fd00${"0".repeat(28)}`, `fd00${"1".padStart(28, "0")}`],
])("%s goes from %s to %s", (prefix, first, last) => expect(bounds(prefix)).toEqual([first, last]));

test.each(["", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33", "10.0.0.0/-1", "fd00::/129", "fd00::/64/64"])(
  "%j has no bounds",
  (text) => expect(() => bounds(text)).toThrow(),
);
