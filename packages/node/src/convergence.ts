import { durationMs, type FelixConfiguration, problemsOf } from "@fairlead/api";

/** Where the elevated priority ends when no FelixConfiguration says otherwise, milliseconds. */
const defaultConvergence = 30_000;

/** How long the elevated priority is kept, milliseconds; 0 is a word, too. An object that cannot be acted on says nothing. */
export function convergenceOf(felix: FelixConfiguration | undefined): number {
  if (!felix || problemsOf(felix).length > 0) return defaultConvergence;
  return durationMs(felix.spec.liveMigrationRouteConvergenceTime);
}
