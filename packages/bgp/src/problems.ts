import type { SpeakerProblem } from "./speaker.ts";

/** Gathers what had to be left out while rendering. */
export class Problems {
  readonly found: SpeakerProblem[] = [];

  add(object: string, field: string, message: string): undefined {
    if (!this.found.some((p) => p.object === object && p.field === field && p.message === message))
      this.found.push({ object, field, message });
    return undefined;
  }

  /** The value, or undefined and a problem. */
  need<T>(value: T | undefined, object: string, field: string, message: string): T | undefined {
    return value ?? this.add(object, field, message);
  }
}
