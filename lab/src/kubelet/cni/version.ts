/** Versions of the CNI specification this runtime speaks, oldest first. */
export const supportedVersions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

/** Negative, zero or positive, like a comparison function. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split(".").map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left![i] ?? 0) - (right![i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function isAtLeast(version: string, minimum: string): boolean {
  return compareVersions(version, minimum) >= 0;
}

/**
 * The version to speak for a configuration: the newest one of `cniVersions` (CNI 1.1) that we know, else `cniVersion`, else 0.1.0.
 * Undefined when none is ours.
 */
export function chooseVersion(cniVersion: string | undefined, cniVersions: readonly string[] = []) {
  const offered = [
    ...cniVersions,
    ...(cniVersion === undefined && cniVersions.length > 0 ? [] : [cniVersion || "0.1.0"]),
  ];
  return supportedVersions.findLast((version) => offered.includes(version));
}
