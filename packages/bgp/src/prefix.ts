import ipaddr from "ipaddr.js";
import type { Family } from "./speaker.ts";

/** A network in canonical text, host bits cleared, as BIRD demands. */
export interface Prefix {
  readonly text: string;
  readonly family: Family;
  readonly length: number;
}

/** Reads `address/length`. Undefined when it is not a network. */
export function parsePrefix(text: string): Prefix | undefined {
  if (!ipaddr.isValidCIDR(text)) return undefined;
  const [address, length] = ipaddr.parseCIDR(text);
  const family = address.kind() === "ipv4" ? 4 : 6;
  const network =
    family === 4
      ? ipaddr.IPv4.networkAddressFromCIDR(text).toString()
      : ipaddr.IPv6.networkAddressFromCIDR(text).toRFC5952String();
  return { text: `${network}/${length}`, family, length };
}

/** Reads an address in four-part dotted or RFC 4291 notation, without zone. Undefined when it is none. */
export function parseAddress(text: string): { text: string; family: Family } | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return { text, family: 4 };
  if (text.includes("%") || !ipaddr.IPv6.isValid(text)) return undefined;
  return { text: ipaddr.IPv6.parse(text).toRFC5952String(), family: 6 };
}

/** The bits of an address's family: 32 or 128. */
export function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128;
}
