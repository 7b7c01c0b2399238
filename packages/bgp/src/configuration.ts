import { createHash } from "node:crypto";
import { announceFunctions, priorityFunctions } from "./announcement.ts";
import { filterFunctions } from "./filter.ts";
import { kernelProtocols } from "./kernel.ts";
import { parseAddress } from "./prefix.ts";
import { Problems } from "./problems.ts";
import { sessionsOf } from "./session.ts";
import { sessionProtocols } from "./session-protocol.ts";
import type { SelectorMatch, Speaker, SpeakerProblem } from "./speaker.ts";

/** A complete BIRD 2 configuration, and what could not be expressed in it. */
export interface BirdConfiguration {
  readonly text: string;
  readonly problems: readonly SpeakerProblem[];
}

/** `logSeverityScreen` of `BGPConfiguration` as BIRD message classes. */
const logClasses: Readonly<Record<string, string>> = {
  Trace: "all",
  Debug: "all",
  Info: "{ info, remote, warning, error, auth, fatal, bug }",
  Warning: "{ warning, error, auth, fatal, bug }",
  Error: "{ error, auth, fatal, bug }",
  Fatal: "{ fatal, bug }",
};

/**
 * The BIRD 2 configuration of one node, both families in one process. Pure: the same speaker gives the same text, so that an
 * unchanged text means that nothing has to be done.
 *
 * `selects` evaluates `BGPPeer` selectors; without it a peer with a selector picks no node.
 */
export function birdConfiguration(speaker: Speaker, selects: SelectorMatch = () => false): BirdConfiguration {
  const problems = new Problems();
  const { sessions, problems: sessionProblems } = sessionsOf(speaker, selects);
  for (const { object, field, message } of sessionProblems) problems.add(object, field, message);
  const attached = new Set(sessions.flatMap((session) => session.filters));
  const filters = speaker.filters.filter((filter) => attached.has(filter.name));
  const lines = [
    ...globals(speaker),
    ...kernelProtocols(speaker, problems),
    ...priorityFunctions(speaker),
    ...filters.flatMap((filter) => filterFunctions(filter, problems, speaker.elevated)),
    ...announceFunctions(speaker, problems),
    ...sessionProtocols(sessions, filters, problems),
  ];
  return { text: `${lines.join("\n")}\n`, problems: problems.found };
}

function globals(speaker: Speaker): string[] {
  const severity = speaker.configuration?.logSeverityScreen ?? "Info";
  return [
    "# Written by Fairlead; changes are overwritten.",
    `router id ${routerIdOf(speaker)};`,
    `log stderr ${logClasses[severity] ?? logClasses.Info};`,
    // A neighbour that went down with us has this long to bring its routes back before ours are cleaned up.
    "graceful restart wait 60;",
    "",
    "protocol device device1 { scan time 10; }",
    "",
  ];
}

/** The router ID: as given, the node's IPv4 address, or for a node without one a number derived from its name. */
export function routerIdOf({ routerId, node }: Pick<Speaker, "routerId" | "node">): string {
  for (const candidate of [routerId, node.ipv4]) {
    const address = candidate === undefined ? undefined : parseAddress(candidate);
    if (address?.family === 4 && address.text !== "0.0.0.0") return address.text;
  }
  const digest = createHash("sha256").update(node.name).digest();
  return `${(digest[0]! % 223) + 1}.${digest[1]}.${digest[2]}.${digest[3]}`;
}
