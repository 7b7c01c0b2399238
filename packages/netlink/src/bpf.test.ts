import fc from "fast-check";
import { expect, test } from "vitest";
import {
  assemble,
  encodeProgram,
  jeq,
  jge,
  jset,
  label,
  ld,
  ldb,
  ldbIndirect,
  ldh,
  ldxHeaderLength,
  ret,
  runProgram,
} from "./bpf.ts";

test("labels become distances, and absent ones the next line", () => {
  const program = assemble([ldh(12), jeq(0x806, "yes", "no"), label("yes"), ret(1), label("no"), ret(0)]);
  expect(program).toEqual([
    { code: 0x28, jt: 0, jf: 0, k: 12 },
    { code: 0x15, jt: 0, jf: 1, k: 0x806 },
    { code: 0x06, jt: 0, jf: 0, k: 1 },
    { code: 0x06, jt: 0, jf: 0, k: 0 },
  ]);
  // As `tcpdump -dd` writes them.
  expect(encodeProgram(program).toString("hex")).toBe(
    "280000000c000000150000010608000006000000010000000600000000000000",
  );
});

test.each([
  ["an unknown label", [jeq(1, "nowhere"), ret(0)]],
  ["a backward jump", [label("back"), ret(0), jeq(1, "back")]],
  ["a label that is there twice", [label("a"), label("a"), ret(0)]],
  [
    "a jump over more than 255 instructions",
    [jeq(1, "far"), ...Array.from({ length: 256 }, () => ldb(0)), label("far"), ret(0)],
  ],
  ["no instruction", [label("a")]],
])("%s is refused", (_, lines) => {
  expect(() => assemble(lines)).toThrow(expect.objectContaining({ code: "Invalid" }));
});

test("a load beyond the end drops the frame, as in the kernel", () => {
  for (const load of [ld(57), ldh(59), ldb(60)]) {
    expect(runProgram(assemble([load, ret(9)]), new Uint8Array(60))).toBe(0);
  }
  expect(runProgram(assemble([ld(56), ret(9)]), new Uint8Array(60))).toBe(9);
});

test("the header length of IPv4 leads to what follows it", () => {
  const frame = new Uint8Array(60);
  frame[14] = 0x46;
  frame[14 + 24] = 7;
  const program = assemble([
    ldxHeaderLength(14),
    ldbIndirect(14),
    jeq(7, "yes"),
    ret(0),
    label("yes"),
    ret(1),
  ]);
  expect(runProgram(program, frame)).toBe(1);
});

test("comparisons mean what they say for every word", () => {
  const truth = (line: Parameters<typeof assemble>[0][number]) =>
    assemble([ld(0), line, ret(0), label("yes"), ret(1)]);
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), (value, k) => {
      const frame = new Uint8Array(4);
      new DataView(frame.buffer).setUint32(0, value);
      expect(runProgram(truth(jeq(k, "yes")), frame)).toBe(Number(value === k));
      expect(runProgram(truth(jge(k, "yes")), frame)).toBe(Number(value >= k));
      expect(runProgram(truth(jset(k, "yes")), frame)).toBe(Number((value & k) !== 0));
    }),
  );
});
