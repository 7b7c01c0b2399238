import { splitWords } from "../topology/words.ts";

/** One of FRR's daemons as it is to be started. */
export interface FrrDaemon {
  /** Such as `bgpd`: a program of /usr/lib/frr. */
  readonly name: string;
  readonly options: readonly string[];
}

/** Those that run whatever the file says; the others need zebra. */
const always = ["zebra", "staticd"];

/**
 * Reads FRR's `/etc/frr/daemons`: which daemons run (`bgpd=yes`) and with which options (`bgpd_options="..."`,
 * `frr_global_options`, `frr_profile`). Its other settings concern FRR's own start script, which the lab does not use.
 */
export function parseDaemons(text: string): FrrDaemon[] {
  const settings = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^\s*(\w+)=(.*)$/.exec(line) ?? [];
    // A shell would end an unquoted value at the first blank.
    if (name !== undefined) settings.set(name, splitWords(value ?? "")?.[0] ?? "");
  }
  const wordsOf = (name: string) => splitWords(settings.get(name) ?? "") ?? [];
  const chosen = [...settings].filter(([name, value]) => name.endsWith("d") && value === "yes");
  const profile = settings.get("frr_profile");
  return [...new Set([...always, ...chosen.map(([name]) => name)])].map((name) => ({
    name,
    options: [
      ...(profile ? ["-F", profile] : []),
      ...wordsOf("frr_global_options"),
      ...wordsOf(`${name}_options`),
    ],
  }));
}
