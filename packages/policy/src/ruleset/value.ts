import ipaddr from "ipaddr.js";
import { type Field, fields } from "./field.ts";

/** Interface names as the kernel compares them: 16 bytes, NUL-padded, hex. */
export function interfaceName(name: string): string {
  return Buffer.from(name).toString("hex").padEnd(32, "0");
}

/** A name prefix: the comparison then covers only these bytes. */
export function interfacePrefix(prefix: string): string {
  return Buffer.from(prefix).toString("hex");
}

/** An address as the kernel holds it. Written out because a large cluster has hundreds of thousands of them. */
export function address(text: string): string {
  const usual = text.includes(":") ? usualIpv6(text) : usualIpv4(text);
  return usual ?? Buffer.from(ipaddr.parse(text).toByteArray()).toString("hex");
}

function usualIpv4(text: string): string | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let hex = "";
  for (const part of parts) {
    const digits = octets.get(part);
    if (digits === undefined) return undefined;
    hex += digits;
  }
  return hex;
}

/** Decimal to hex; what is not in here, such as a leading zero, is not usual. */
const octets: ReadonlyMap<string, string> = new Map(
  Array.from({ length: 256 }, (_, value) => [String(value), u8(value)]),
);

const groups = /^[0-9a-f]{1,4}(:[0-9a-f]{1,4})*$/;

function usualIpv6(text: string): string | undefined {
  const gap = text.indexOf("::");
  const head = gap < 0 ? text : text.slice(0, gap);
  const tail = gap < 0 ? "" : text.slice(gap + 2);
  if ((head !== "" && !groups.test(head)) || (tail !== "" && !groups.test(tail))) return undefined;
  const [first, last] = [padded(head), padded(tail)];
  const missing = 32 - first.length - last.length;
  if (gap < 0 ? missing !== 0 : missing < 4) return undefined;
  return first + "0".repeat(missing) + last;
}

function padded(part: string): string {
  if (part === "") return "";
  return part
    .split(":")
    .map((group) => group.padStart(4, "0"))
    .join("");
}

export function mac(text: string): string {
  return text.toLowerCase().replaceAll(":", "");
}

export function u8(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** Network byte order, as in headers. */
export function u16(value: number): string {
  return value.toString(16).padStart(4, "0");
}

/** Host byte order, as the kernel keeps marks and conntrack state. */
export function host32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes.toString("hex");
}

/** The key of a set over several fields: each padded to whole registers of four bytes. */
export function concatenation(values: readonly string[]): string {
  if (values.length === 1) return values[0] as string;
  return values.map((value) => value.padEnd(Math.ceil(value.length / 8) * 8, "0")).join("");
}

/** Bytes of a key over these fields, as registers hold it. */
export function keyBytes(key: readonly Field[]): number {
  if (key.length === 1) return fields[key[0] as Field].bytes;
  return key.reduce((sum, field) => sum + ((fields[field].bytes + 3) & ~3), 0);
}

export type Family = 4 | 6;

export function familyOf(addressOrNet: string): Family {
  return addressOrNet.includes(":") ? 6 : 4;
}
