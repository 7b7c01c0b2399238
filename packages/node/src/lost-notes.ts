import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type BeenReady, openBootNote } from "@fairlead/cni";

export interface LostNotesOptions {
  /** Where the notes are. */
  readonly directory: string;
  /** Forgotten when the machine starts again, as what the notes are about. */
  readonly runDir: string;
  readonly beenReady: BeenReady;
  readonly onError: (error: unknown) => void;
}

/**
 * Whether notes have been lost since the machine started: an agent was ready here and their directory is not there. Remembered until the machine
 * starts again, since what was noted there may come to matter at any time. Makes the directory, so that the next start finds it.
 */
export function areNotesLost({ directory, runDir, beenReady, onError }: LostNotesOptions): boolean {
  const lost = openBootNote({ path: join(runDir, "notes-lost"), onError });
  try {
    readdirSync(directory);
  } catch {
    if (beenReady.isSet()) lost.set();
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      onError(error);
    }
  }
  return lost.isSet();
}
