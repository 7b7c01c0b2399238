import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { servingCertificate } from "./certificates.ts";
import { bits, boolean, context, integer, objectId, octets, pem, sequence, set, time, utf8 } from "./der.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Tag, content and what follows, by the rules of X.690 for definite lengths. */
function read(bytes: Uint8Array): { tag: number; content: Uint8Array; rest: Uint8Array } {
  let [tag = 0, size = 0] = bytes;
  let start = 2;
  if (size & 128) {
    const count = size & 127;
    size = bytes.subarray(2, 2 + count).reduce((all, byte) => all * 256 + byte, 0);
    start += count;
  }
  return { tag, content: bytes.subarray(start, start + size), rest: bytes.subarray(start + size) };
}

describe("distinguished encoding", () => {
  test.for([
    ["the object identifier of RSA", objectId("1.2.840.113549"), "06062a864886f70d"],
    ["the object identifier of ECDSA with SHA-256", objectId("1.2.840.10045.4.3.2"), "06082a8648ce3d040302"],
    ["true", boolean(true), "0101ff"],
    ["false", boolean(false), "010100"],
    ["an integer whose first bit is set", integer(Buffer.of(128)), "02020080"],
    ["a small integer", integer(Buffer.of(127)), "02017f"],
    ["text", utf8("é"), "0c02c3a9"],
    ["bits", bits(Buffer.of(0x06, 0xc0), 6), "030306" + "06c0"],
    ["a time", time(new Date("2026-01-02T03:04:05.678Z")), `180f${hex(Buffer.from("20260102030405Z"))}`],
    ["a tagged value", context(3, Buffer.of(5, 0)), "a3020500"],
    ["a tagged primitive", context(2, Buffer.from("a"), false), "820161"],
    ["an empty set in a sequence", sequence(set()), "30023100"],
  ] as const)("of %s", ([, bytes, expected]) => {
    expect(hex(bytes)).toBe(expected);
  });

  test("has one length, short or long, that fits its content", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000 }), (content) => {
        const encoded = octets(content);
        const { tag, content: found, rest } = read(encoded);
        expect([tag, rest.length]).toEqual([4, 0]);
        expect(Buffer.compare(found, content)).toBe(0);
        const head = encoded.length - content.length;
        expect(head).toBe(
          content.length < 128 ? 2 : content.length < 256 ? 3 : content.length < 65_536 ? 4 : 5,
        );
      }),
      { numRuns: 30 },
    );
  });

  test("in PEM has lines of 64 characters", () => {
    const lines = pem("X", Buffer.alloc(100)).split("\n");
    expect(lines.map((line) => line.length)).toEqual([17, 64, 64, 8, 15, 0]);
  });
});

test("a serving certificate is valid for its names and signed by its authority", () => {
  const { caPem, certPem } = servingCertificate(["node.example.org", "10.0.0.1", "fd00::1"], undefined);
  const [authority, certificate] = [new X509Certificate(caPem), new X509Certificate(certPem)];
  expect(authority.ca).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(certificate.checkIssued(authority)).toBe(true);
  expect(certificate.checkHost("node.example.org")).toBe("node.example.org");
  expect(certificate.checkHost("other.example.org")).toBeUndefined();
  expect(certificate.checkIP("10.0.0.1")).toBe("10.0.0.1");
  expect(certificate.checkIP("fd00::1")).toBe("fd00::1");
});
