import { CniError } from "./error.ts";

/** Every version of the specification we speak. The messenger prints the same list for VERSION. */
export const supportedVersions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

/** A version of the CNI specification this plug-in speaks. */
export type CniVersion = (typeof supportedVersions)[number];

/** What a configuration without `cniVersion` means. */
export const impliedVersion: CniVersion = "0.2.0";

/** Whether `version` has what came with `since` (CHECK 0.4.0; GC and STATUS 1.1.0). */
export function isAtLeast(version: CniVersion, since: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(since);
}

/** @throws CniError IncompatibleVersion */
export function parseVersion(text: unknown): CniVersion {
  if (text === undefined || text === "") return impliedVersion;
  const known = supportedVersions.find((version) => version === text);
  if (known) return known;
  throw new CniError(
    "IncompatibleVersion",
    `unsupported CNI version ${JSON.stringify(text)}`,
    `use one of ${supportedVersions.join(", ")} as cniVersion in the network configuration`,
  );
}
