import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { expect, test } from "vitest";
import { isAddress, readAddress } from "../model/check.ts";
import { address } from "./value.ts";

test("addresses are read as a general reader reads them, however they are written", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      for (const written of [text, text.toUpperCase()]) {
        expect(address(written)).toBe(Buffer.from(ipaddr.parse(written).toByteArray()).toString("hex"));
        expect(isAddress(written)).toBe(true);
      }
    }),
  );
});

test("what is no address to everybody is none to us", () => {
  const almost = fc.string({ unit: fc.constantFrom(..."0125fF:.%"), maxLength: 20 });
  const joined = fc.array(fc.constantFrom("", "0", "1", "ff", "0a1b", "12345"), { maxLength: 9 });
  fc.assert(
    fc.property(
      fc.oneof(
        almost,
        joined.map((parts) => parts.join(":")),
        joined.map((parts) => parts.join(".")),
      ),
      (text) => {
        expect(readAddress(text)).toBe(
          isAddress(text) ? Buffer.from(ipaddr.parse(text).toByteArray()).toString("hex") : undefined,
        );
      },
    ),
    { numRuns: 2_000 },
  );
});

test.each([
  ["::", "0".repeat(32)],
  ["::1", "1".padStart(32, "0")],
  ["fd00::", "fd00".padEnd(32, "0")],
  ["::ffff:192.0.2.1", `${"0".repeat(20)}ffffc0000201`],
  ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
  ["0.0.0.0", "00000000"],
])("%s is %s", (text, hex) => expect(address(text)).toBe(hex));

test.each([
  "010.0.0.1",
  "1.2.3",
  "1.2.3.256",
  "0x0a.0.0.1",
  "1:2:3",
  "fe80::1%eth0",
  "::1::",
  "",
  " 10.0.0.1",
])("%j is no address", (text) => expect(isAddress(text)).toBe(false));
