/** A standard (RFC 1997) or large (RFC 8092) community as BIRD writes it. */
export interface Community {
  /** `(65000,100)` or `(65000,1,2)`. */
  readonly text: string;
  readonly attribute: "bgp_community" | "bgp_large_community";
}

/** Reads `aa:nn` (16 bits each) or `aa:nn:mm` (32 bits each). Undefined when it is neither. */
export function parseCommunity(value: string): Community | undefined {
  const parts = value.split(":");
  const largest = parts.length === 2 ? 0xffff : 0xffff_ffff;
  if (parts.length !== 2 && parts.length !== 3) return undefined;
  if (!parts.every((part) => /^\d{1,10}$/.test(part) && Number(part) <= largest)) return undefined;
  return {
    text: `(${parts.map(Number).join(",")})`,
    attribute: parts.length === 2 ? "bgp_community" : "bgp_large_community",
  };
}
