import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../json.ts";
import { builtinSchema } from "../kinds/builtin.ts";
import { StatusError } from "../status.ts";
import { decodeProtobuf } from "./decode.ts";

// What a client written in Go puts on the wire, spelt out field by field from the .proto files.

function varint(value: bigint | number): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.of(...bytes, Number(rest));
}
const bytes = (number: number, content: Uint8Array): Buffer =>
  Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);
const text = (number: number, value: string): Buffer => bytes(number, Buffer.from(value));
const int = (number: number, value: bigint | number): Buffer =>
  Buffer.concat([varint(number << 3), varint(value)]);
const message = (number: number, ...fields: readonly Buffer[]): Buffer =>
  bytes(number, Buffer.concat(fields));
const entry = (number: number, key: string, value: string): Buffer =>
  message(number, text(1, key), text(2, value));

const body = (apiVersion: string, kind: string, ...fields: readonly Buffer[]): Buffer =>
  Buffer.concat([
    Buffer.from("k8s\0"),
    message(1, text(1, apiVersion), text(2, kind)),
    message(2, ...fields),
    text(3, ""),
    text(4, ""),
  ]);
const decode = (encoded: Buffer): JsonObject => decodeProtobuf(encoded, builtinSchema);

describe("a protobuf body", () => {
  test("of a config map", () => {
    const encoded = body(
      "v1",
      "ConfigMap",
      message(
        1,
        text(1, "a"),
        text(3, "ns"),
        entry(11, "l", "1"),
        entry(11, "m", "2"),
        text(14, "f"),
        text(14, "g"),
      ),
      entry(2, "k", "v"),
      bytes(3, Buffer.concat([text(1, "raw"), bytes(2, Buffer.of(0, 255))])),
    );
    expect(decode(encoded)).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "a", namespace: "ns", labels: { l: "1", m: "2" }, finalizers: ["f", "g"] },
      data: { k: "v" },
      binaryData: { raw: "AP8=" },
    });
  });

  test("of a pod: inlined messages, quantities, numbers or text, times, and what Go writes though it is empty", () => {
    const limits = bytes(1, Buffer.concat([text(1, "cpu"), message(2, text(1, "500m"))]));
    const port = message(6, text(1, "http"), int(2, 0), int(3, 8080), text(4, "TCP"));
    const probe = message(
      10,
      message(1, message(2, text(1, "/z"), message(2, int(1, 1), int(2, 0), text(3, "web")))),
    );
    const mount = message(9, text(1, "v"), int(2, 1), text(3, "/v"));
    const volume = message(1, text(1, "v"), message(2, message(2, text(1, ""))));
    const encoded = body(
      "v1",
      "Pod",
      message(1, text(1, "p"), text(2, ""), message(8, int(1, 1767323045))),
      message(
        2,
        volume,
        message(2, text(1, "c"), text(2, "i"), port, message(8, limits), probe, mount),
        int(4, 0),
      ),
    );
    expect(decode(encoded)).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", creationTimestamp: "2026-01-02T03:04:05Z" },
      spec: {
        volumes: [{ name: "v", emptyDir: {} }],
        containers: [
          {
            name: "c",
            image: "i",
            ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
            resources: { limits: { cpu: "500m" } },
            livenessProbe: { httpGet: { path: "/z", port: "web" } },
            volumeMounts: [{ name: "v", readOnly: true, mountPath: "/v" }],
          },
        ],
        terminationGracePeriodSeconds: 0,
      },
    });
  });

  test("keeps every int64", () => {
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).filter((n) => n !== 0n);
    fc.assert(
      fc.property(int64, (n) => {
        const { metadata } = decode(body("v1", "ConfigMap", message(1, int(7, n)))) as {
          metadata: JsonObject;
        };
        expect(BigInt(metadata.generation as bigint)).toBe(n);
        expect(typeof metadata.generation).toBe(Number.isSafeInteger(Number(n)) ? "number" : "bigint");
      }),
    );
  });

  test("keeps fields of a later version from harming the others", () => {
    const encoded = body(
      "v1",
      "ConfigMap",
      text(99, "new"),
      int(98, 7),
      message(1, text(1, "a"), text(97, "new")),
    );
    expect(decode(encoded)).toEqual({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } });
  });

  test("of bytes that are none is a bad request, whatever they are", () => {
    const refused = (encoded: Buffer): void => {
      try {
        decode(encoded);
      } catch (error) {
        expect(error).toBeInstanceOf(StatusError);
        expect((error as StatusError).code).toBe("BadRequest");
      }
    };
    expect(() => decode(Buffer.from("{}"))).toThrow("k8s");
    expect(() => decode(body("example.org/v1", "Unknown"))).toThrow("send JSON");
    const whole = body("v1", "ConfigMap", message(1, text(1, "a")), entry(2, "k", "v"));
    for (let size = 0; size < whole.length; size++) refused(whole.subarray(0, size));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        refused(Buffer.concat([Buffer.from("k8s\0"), noise]));
        refused(body("v1", "Pod", Buffer.from(noise)));
      }),
    );
  });
});
