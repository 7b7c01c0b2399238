import { z } from "zod";
import { wrong } from "./fields.ts";

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const part = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g;
const whole = /^(?:0|(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)$/;

/** `1m30s` in milliseconds; undefined if it is not a duration. The texts are Go's, without a sign. */
export function parseDuration(text: string): number | undefined {
  if (!whole.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit = ""] of text.matchAll(part)) total += Number(count) * (unitMs[unit] ?? 0);
  return total;
}

/** A duration that a schema has checked, in milliseconds. */
export function durationMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new RangeError(`"${text}" is not a duration; write for example 30s or 1m30s`);
  return ms;
}

export const duration = z
  .string()
  .refine(
    (text) => parseDuration(text) !== undefined,
    wrong("not a duration", "Write for example 30s, 500ms or 1m30s."),
  );
