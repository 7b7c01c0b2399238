import type { IncomingMessage } from "node:http";
import { parse as parseYaml } from "yaml";
import { isObject, type Json, parseJson } from "../json.ts";
import { builtinSchema } from "../kinds/builtin.ts";
import { decodeProtobuf } from "../protobuf/decode.ts";
import { badRequest, StatusError } from "../status.ts";

/** Like a real server, with etcd's limit in mind. Bytes. */
const limit = 3 << 20;

export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit)
        reject(new StatusError("RequestEntityTooLarge", `Request entity too large: limit is ${limit}`));
      else chunks.push(chunk);
    });
    request.on("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    request.on("error", reject);
  });
}

/** Media type without parameters, lower case. */
export const mediaType = (header: string | undefined): string =>
  (header ?? "").split(";", 1)[0]!.trim().toLowerCase();

/** An object in a request: JSON or YAML. Undefined: no body. */
export function parseBody(bytes: Buffer, contentType: string): Json | undefined {
  if (bytes.length === 0) return undefined;
  switch (contentType) {
    case "":
    case "application/json":
    case "application/json-patch+json":
    case "application/merge-patch+json":
    case "application/strategic-merge-patch+json":
      return parseJsonBody(bytes);
    case "application/vnd.kubernetes.protobuf":
      return decodeProtobuf(bytes, builtinSchema);
    case "application/yaml":
      return parseYamlBody(bytes);
    default:
      throw new StatusError(
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
      );
  }
}

export function parseJsonBody(bytes: Buffer): Json {
  try {
    return parseJson(bytes.toString());
  } catch (cause) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(cause as Error).message}`);
  }
}

/** YAML, of which JSON is a part: that is what kubectl sends, and it is read faster as what it is. */
export function parseYamlBody(bytes: Buffer): Json {
  const text = bytes.toString();
  if (/^\s*\{/.test(text))
    try {
      return parseJson(text);
    } catch {
      // A flow mapping that is YAML only.
    }
  try {
    return withPlainIntegers(parseYaml(text, { intAsBigInt: true }));
  } catch (cause) {
    throw badRequest(`error converting YAML to JSON: ${(cause as Error).message}`);
  }
}

/** The YAML library makes all integers bigints, or none. */
function withPlainIntegers(value: Json): Json {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (Array.isArray(value)) return value.map(withPlainIntegers);
  if (!isObject(value)) return value;
  for (const name of Object.keys(value)) value[name] = withPlainIntegers(value[name] ?? null);
  return value;
}
