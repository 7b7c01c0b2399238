import type { ReportedRelease } from "./leak-report.ts";

/** What `ipam release --from-report` prints, in the incumbent's words. */
export function renderReportedRelease(release: ReportedRelease): string {
  const { released, unallocated, failures, deletedHandles, skippedHandles } = release;
  const addresses = released.length + unallocated.length + failures.length;
  const handles = deletedHandles.length + skippedHandles.length;
  return [
    ...(addresses === 0
      ? ["Report didn't contain any leaked IPs to clean up."]
      : [
          `Releasing ${addresses} old IPs...`,
          ...failures.map(
            ({ address, error }) =>
              `An error occurred while releasing some IPs: ${address}: ${error.message}`,
          ),
          `Released ${released.length} IPs successfully`,
        ]),
    ...(unallocated.length > 0
      ? [`${unallocated.length} addresses marked as leaked in the report had already been cleaned up.`]
      : []),
    ...(handles === 0
      ? ["Report didn't contain any handles to clean up."]
      : [
          `Deleting ${handles} handles...`,
          `Released ${deletedHandles.length} handles; ${skippedHandles.length} skipped; 0 errors.`,
        ]),
    "You may now unlock the data store.",
    "",
  ].join("\n");
}
