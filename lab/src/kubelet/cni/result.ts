import { isAtLeast } from "./version.ts";

/** A plug-in's result as printed, in whatever version. */
export type CniResult = Record<string, unknown>;

/**
 * The result in another version from 0.3.0 on. Only the addresses differ: before 1.0.0 each says which family it is of. Older
 * forms have other fields altogether and are passed on as they are.
 */
export function asVersion(result: CniResult, version: string): CniResult {
  const ips = result.ips;
  const addresses = Array.isArray(ips) ? (ips as Record<string, unknown>[]) : undefined;
  if (addresses === undefined || !isAtLeast(version, "0.3.0")) return { ...result, cniVersion: version };
  const withFamily = !isAtLeast(version, "1.0.0");
  return {
    ...result,
    cniVersion: version,
    ips: addresses.map(({ version: _, ...ip }) =>
      withFamily ? { version: familyOf(ip.address), ...ip } : ip,
    ),
  };
}

function familyOf(address: unknown): "4" | "6" {
  return typeof address === "string" && address.includes(":") ? "6" : "4";
}

/** Addresses of the pod's own interface, IPv4 first, without prefix length. */
export function addressesIn(result: CniResult | undefined): string[] {
  const ips = Array.isArray(result?.ips) ? (result.ips as { address?: unknown }[]) : [];
  const addresses = ips.flatMap(({ address }) =>
    typeof address === "string" ? [address.split("/")[0]!] : [],
  );
  return addresses.sort((a, b) => Number(a.includes(":")) - Number(b.includes(":")));
}
