import ipaddr from "ipaddr.js";
import { z } from "zod";

/**
 * An object that keeps fields it does not know, so that reading and writing back loses nothing, while its type names
 * only the fields we know, so that a misspelt one is an error.
 */
export function object<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strip> {
  return z.looseObject(shape) as unknown as z.ZodObject<Shape, z.core.$strip>;
}

/** A check with its remedy, for `.refine`. */
export function wrong(message: string, remedy: string) {
  return { error: message, params: { remedy } };
}

export function isIPv4(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text);
}

export function isIPv6(text: string): boolean {
  return ipaddr.IPv6.isValid(text) && !text.includes("%") && !text.includes(".");
}

export function isAddress(text: string): boolean {
  return isIPv4(text) || isIPv6(text);
}

/** `address/prefix` of either family, with a decimal prefix length in range. */
export function isCidr(text: string): boolean {
  const [address = "", prefix, ...rest] = text.split("/");
  if (prefix === undefined || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(prefix)) return false;
  return isIPv4(address) ? Number(prefix) <= 32 : isIPv6(address) && Number(prefix) <= 128;
}

const cidrRemedy = "Write address/prefix, for example 10.0.0.0/16 or fd00:10::/64.";

export const cidr = z.string().refine(isCidr, wrong("not a CIDR", cidrRemedy));

export const address = z
  .string()
  .refine(
    isAddress,
    wrong("not an IP address", "Write an IPv4 or IPv6 address, for example 10.0.0.1 or fd00:10::1."),
  );

/** A CIDR or a single address, which stands for its /32 or /128. */
export const network = z
  .string()
  .refine((text) => isCidr(text) || isAddress(text), wrong("not an address or CIDR", cidrRemedy));

/**
 * 64-bit counters do not fit a double: the client reads integers beyond 2^53 as bigint, and so do these fields always.
 */
export const int64 = z
  .union([z.bigint(), z.int()])
  .transform((value) => BigInt(value))
  .meta({ type: "integer", format: "int64" });

/** Old CRDs hold these flags as the texts "true" and "false". */
export const flag = z
  .union([z.boolean(), z.enum(["true", "false", ""])])
  .transform((value) => value === true || value === "true")
  .meta({ type: "boolean" });

/** RFC 3339. */
export const time = z.string().meta({ type: "string", format: "date-time" });

/** Route metrics. 0 is avoided since IPv6 turns it into 1024; the top is what BGP's 32-bit local preference can mirror. */
export const priority = z.int().min(1).max(2147483646);

export const asNumber = z.int().min(0).max(4294967295).meta({ type: "integer", format: "int64" });
