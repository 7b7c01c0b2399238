import { bitsOf, parsePrefix } from "./prefix.ts";
import { metricOf } from "./priority.ts";
import type { RouteElsewhere, RouteEntry } from "./status.ts";

/** Destinations of one question, and routes of one answer for each. */
const most = 64;

/** What RFC 4271, section 5.1.5, leaves to the receiver: a route from another AS comes without a local preference. BIRD takes 100. */
const defaultLocalPreference = 100;

/** A host route that is asked for. */
export interface Destination {
  /** As it was given. */
  readonly text: string;
  /** As BIRD writes it. */
  readonly network: string;
}

/** Each once. @throws {TypeError} */
export function destinationsOf(texts: readonly string[]): readonly Destination[] {
  const asked = [...new Set(texts)];
  if (asked.length > most) throw new TypeError(`ask for at most ${most} destinations, not ${asked.length}`);
  return asked.map((text) => {
    const prefix = parsePrefix(text);
    if (prefix === undefined || prefix.length !== bitsOf(prefix.family))
      throw new TypeError(`${JSON.stringify(text)} is not a host route like 10.0.0.1/32`);
    return { text, network: prefix.text };
  });
}

/** Of the routes that BIRD has to a destination those that others announce, the best first. */
export function elsewhere({ text }: Destination, entries: readonly RouteEntry[]): readonly RouteElsewhere[] {
  return entries
    .filter(({ source }) => source === "BGP")
    .map(({ protocol, localPreference = defaultLocalPreference, nextHop }) => ({
      destination: text,
      metric: metricOf(localPreference),
      protocol,
      ...(nextHop !== undefined && { nextHop }),
    }))
    .sort((a, b) => a.metric - b.metric)
    .slice(0, most);
}
