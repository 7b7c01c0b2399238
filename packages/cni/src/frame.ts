import type { RawRequest } from "./request.ts";

/**
 * The layout between messenger and agent (messenger/fairlead-cni.c has the other side), integers in network byte order:
 *
 *     request  "FLC1" | u32 environment bytes | u32 configuration bytes | u64 start | environment | configuration
 *     answer   "FLC1" | u32 exit code | u32 bytes | bytes
 */
const magic = Buffer.from("FLC1");
const requestHeader = 20;
export const environmentLimit = 1 << 16;
export const configLimit = 1 << 20;

/** The peer does not speak the messenger's protocol. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** How many bytes the request that starts with `bytes` has in all; undefined while its header is incomplete. */
export function requestLength(bytes: Buffer): number | undefined {
  if (bytes.length >= 4 && !bytes.subarray(0, 4).equals(magic)) throw new FrameError("request without FLC1");
  if (bytes.length < requestHeader) return undefined;
  const environment = bytes.readUInt32BE(4);
  const config = bytes.readUInt32BE(8);
  if (environment > environmentLimit || config > configLimit) throw new FrameError("request too long");
  return requestHeader + environment + config;
}

/** @throws FrameError */
export function decodeRequest(bytes: Buffer): RawRequest {
  const length = requestLength(bytes);
  if (length === undefined || bytes.length !== length) throw new FrameError("request of the wrong length");
  const middle = requestHeader + bytes.readUInt32BE(4);
  const environment: Record<string, string> = Object.create(null);
  for (const entry of bytes.subarray(requestHeader, middle).toString().split("\0").filter(Boolean)) {
    const at = entry.indexOf("=");
    if (at <= 0) throw new FrameError("environment entry without a name");
    environment[entry.slice(0, at)] = entry.slice(at + 1);
  }
  return { environment, config: bytes.subarray(middle).toString(), startedAt: bytes.readBigUInt64BE(12) };
}

/** What the messenger sends: see the layout at the top of this file. */
export function encodeRequest(request: RawRequest): Buffer {
  const entries = Object.entries(request.environment).map(([name, value]) => `${name}=${value}\0`);
  const environment = Buffer.from(entries.join(""));
  const config = Buffer.from(request.config);
  const header = Buffer.alloc(requestHeader);
  magic.copy(header);
  header.writeUInt32BE(environment.length, 4);
  header.writeUInt32BE(config.length, 8);
  header.writeBigUInt64BE(request.startedAt, 12);
  return Buffer.concat([header, environment, config]);
}

/** What the messenger prints and the code it ends with. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
}

/** What the messenger gets: exit status and stdout. */
export function encodeAnswer(answer: Answer): Buffer {
  const body = Buffer.from(answer.stdout);
  const header = Buffer.alloc(12);
  magic.copy(header);
  header.writeUInt32BE(answer.exitCode, 4);
  header.writeUInt32BE(body.length, 8);
  return Buffer.concat([header, body]);
}

/** @throws FrameError */
export function decodeAnswer(bytes: Buffer): Answer {
  if (bytes.length < 12 || !bytes.subarray(0, 4).equals(magic)) throw new FrameError("answer without FLC1");
  if (bytes.length !== 12 + bytes.readUInt32BE(8)) throw new FrameError("answer of the wrong length");
  return { exitCode: bytes.readUInt32BE(4), stdout: bytes.subarray(12).toString() };
}
