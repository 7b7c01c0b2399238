import type { Log } from "@fairlead/cni";

/** Parts of the agent that have something to say, with the reason of the Node's event. */
export const remarkReasons = {
  /** Notes that cannot be written. */
  state: "StateNotWritten",
  /** Interfaces that nobody can explain. */
  interfaces: "InterfaceUnexplained",
  /** Plug-ins of others that are not installed. */
  "plug-ins": "PluginMissing",
} as const;

export type RemarkPart = keyof typeof remarkReasons;

/**
 * What an operator should know although the agent is ready: said in the log once when it is new and once when it is over, as an event on the Node,
 * by `/readiness` after the word `ready`, and counted in the metrics, for as long as it is so.
 */
export interface Remarks {
  /** Replaces all that a part has to say. */
  say(part: RemarkPart, texts: readonly string[]): void;
  list(part?: RemarkPart): readonly string[];
}

export interface RemarksOptions {
  readonly log: Pick<Log, "info" | "warn">;
  readonly onNew?: (reason: string, text: string) => void;
}

export function createRemarks({ log, onNew = () => {} }: RemarksOptions): Remarks {
  const said = new Map<RemarkPart, readonly string[]>();
  return {
    say(part, texts) {
      const before = said.get(part) ?? [];
      said.set(part, texts);
      for (const text of texts) {
        if (before.includes(text)) continue;
        log.warn({ part }, text);
        onNew(remarkReasons[part], text);
      }
      for (const text of before) if (!texts.includes(text)) log.info({ part }, `over: ${text}`);
    },
    list: (part) => (part ? (said.get(part) ?? []) : [...said.values()].flat()),
  };
}
