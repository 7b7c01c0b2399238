import fc from "fast-check";
import { expect, it } from "vitest";
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  FrameError,
  requestLength,
} from "./frame.ts";

const noNul = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", ""));
const name = fc.stringMatching(/^CNI_[A-Z]{1,12}$/);
const request = fc.record({
  environment: fc.dictionary(name, noNul),
  config: fc.string({ unit: "grapheme" }),
  startedAt: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});

it("a request survives the way to the agent", () => {
  fc.assert(
    fc.property(request, (sent) => {
      const bytes = encodeRequest(sent);
      expect(requestLength(bytes)).toBe(bytes.length);
      expect(decodeRequest(bytes)).toEqual(sent);
    }),
  );
});

it("an answer survives the way back", () => {
  fc.assert(
    fc.property(fc.nat(255), fc.string({ unit: "grapheme" }), (exitCode, stdout) => {
      expect(decodeAnswer(encodeAnswer({ exitCode, stdout }))).toEqual({ exitCode, stdout });
    }),
  );
});

it("bytes of anything else are refused, never believed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(() => decodeRequest(Buffer.from(bytes))).toThrow(FrameError);
    }),
  );
});

it("a length that would need much memory is refused at once", () => {
  const bytes = encodeRequest({ environment: {}, config: "", startedAt: 0n });
  bytes.writeUInt32BE(0xffffffff, 8);
  expect(() => requestLength(bytes)).toThrow("too long");
});
