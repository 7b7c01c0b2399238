import type { GuestPlace, PodPart, PodSight } from "@fairlead/kubevirt";
import type { MigrationInput } from "./migration.ts";

/**
 * What an endpoint is told, by where KubeVirt says the guest is and by the part its pod plays in migrations. Where the guest is comes
 * first: of two migrations at once one waits with the source of long ago in its record. A missing entry moves nothing.
 */
export const rules: Readonly<Record<GuestPlace, Readonly<Partial<Record<PodPart, MigrationInput["type"]>>>>> =
  {
    here: {
      none: "Arrived",
      candidate: "Arrived",
      target: "Arrived",
      arrived: "Arrived",
      untold: "Arrived",
      spent: "Arrived",
      source: "Leaving",
      // The source waits for the acknowledgement, which may never come: it stays what it is.
    },
    elsewhere: {
      none: "Elsewhere",
      candidate: "Expected",
      target: "Named",
      arrived: "Switched",
      // untold: the VMI that says so is older than the migration that succeeded.
      spent: "Elsewhere",
      source: "Elsewhere",
      left: "Elsewhere",
    },
    unknown: {
      candidate: "Expected",
      target: "Named",
      arrived: "Switched",
      // spent: made for a migration that is over without it. It has no route, unless the guest came some other way.
    },
  };

/** The guest is here, or has just left, and a migration away from here has not ended. */
export const isLeaving = ({ place, part }: PodSight): boolean =>
  place !== "elsewhere" && (part === "source" || part === "left");

/** What follows for an endpoint from what KubeVirt's objects say of its pod; undefined when nothing does. */
export function inputOf({ place, placedBy, part, madeFor, revision }: PodSight): MigrationInput | undefined {
  const type = rules[place][part];
  switch (type) {
    case "Expected":
    case "Named":
      return madeFor && { type, migration: madeFor };
    case "Arrived":
    case "Leaving":
      return placedBy === undefined ? { type } : { type, claim: { migration: placedBy, revision } };
    case "Switched":
    case "Elsewhere":
      return { type };
    default:
      return undefined;
  }
}
