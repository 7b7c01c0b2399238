import type { PodMigration } from "@fairlead/kubevirt";
import type { MigrationInput } from "./migration.ts";

/** The guest is here, or has just left, and a migration away from here has not ended. */
export const isLeaving = ({ role, progress }: PodMigration): boolean =>
  role === "source" && (progress === "preparing" || progress === "running");

/**
 * What the part a pod plays in a migration says of where the guest is; undefined when nothing follows from it. `PodMigration` needs a witness for
 * every success, so an object that is not there (yet, or any more) never moves a guest here.
 */
export function inputOf(part: PodMigration): MigrationInput | undefined {
  const isUnderWay = part.progress === "preparing" || part.progress === "running";
  if (part.role === "target") {
    if (part.progress === "succeeded") return { type: "Arrived" };
    if (!isUnderWay) return { type: "Elsewhere" };
    if (part.hasSwitchedOver) return { type: "Switched" };
    const createdAt = new Date(part.epoch[2]).toISOString();
    return { type: "Expected", migration: { uid: part.migrationUid, createdAt } };
  }
  if (part.progress === "succeeded") return { type: "Elsewhere" };
  // Once the guest runs on the target the source only waits for the acknowledgement; after a failure it stays what it was.
  return isUnderWay && !part.hasSwitchedOver ? { type: "Leaving" } : undefined;
}
