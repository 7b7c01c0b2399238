import type { NamedPort } from "../endpoint.ts";
import type { MemberSet } from "../model/policy.ts";
import type { Hex } from "../ruleset/ruleset.ts";
import { protocolNumber } from "../ruleset/statement.ts";
import { concatenation, u8, u16 } from "../ruleset/value.ts";
import type { Anchor } from "./anchor.ts";
import { compile } from "./labels.ts";
import type { MemberSource, Source } from "./source.ts";

/** Addresses are hex, ports `address protocol port` as one key, networks text. */
export type MemberKind = "addresses" | "ports" | "nets";

/** Members that came (true) or went (false). */
export type PendingMembers = Readonly<Record<MemberKind, ReadonlyMap<string, boolean>>>;

export interface SetChange {
  readonly set: MemberSet;
  /** The set is new since the last look: nothing is pending, its members are all there is. */
  readonly fresh: boolean;
  readonly pending: PendingMembers;
}

const noPending = (): Record<MemberKind, Map<string, boolean>> => ({
  addresses: new Map(),
  ports: new Map(),
  nets: new Map(),
});

/** One set that somebody asked for, with its members. */
export class SetState {
  readonly set: MemberSet;
  /** Labels of which each member carries one; `undefined` when that cannot be said. */
  readonly anchors: readonly Anchor[] | undefined;
  /** Whether a source that is not of a service is a member. */
  readonly selects: (source: Source) => boolean;
  references = 1;
  /** How many sources add each member. */
  readonly counts: Readonly<Record<MemberKind, Map<string, number>>> = {
    addresses: new Map(),
    ports: new Map(),
    nets: new Map(),
  };
  #pending = noPending();
  #fresh = true;

  constructor(set: MemberSet, anchors: readonly Anchor[] | undefined) {
    this.set = set;
    this.anchors = anchors;
    this.selects = set.of === "service" ? () => false : compile(set.selector);
  }

  add(source: MemberSource): void {
    for (const [kind, members] of contribution(this.set, source)) {
      const counts = this.counts[kind];
      for (const member of members) {
        const count = counts.get(member) ?? 0;
        counts.set(member, count + 1);
        if (count === 0) this.#note(kind, member, true);
      }
    }
  }

  subtract(source: MemberSource): void {
    for (const [kind, members] of contribution(this.set, source)) {
      const counts = this.counts[kind];
      for (const member of members) {
        const count = counts.get(member) ?? 0;
        if (count > 1) counts.set(member, count - 1);
        else if (counts.delete(member)) this.#note(kind, member, false);
      }
    }
  }

  /** What changed since the last look. */
  take(): SetChange {
    const change = { set: this.set, fresh: this.#fresh, pending: this.#pending };
    this.#fresh = false;
    this.#pending = noPending();
    return change;
  }

  /** Coming and going between two looks cancel out. */
  #note(kind: MemberKind, member: string, came: boolean): void {
    if (this.#fresh) return;
    const pending = this.#pending[kind];
    if (pending.get(member) === !came) pending.delete(member);
    else pending.set(member, came);
  }
}

export function portKey(member: Hex, protocol: number, port: number): Hex {
  return concatenation([member, u8(protocol), u16(port)]);
}

type Contribution = readonly (readonly [kind: MemberKind, members: readonly string[]])[];

/** What one source adds to a set. */
function contribution(set: MemberSet, { addresses, nets = [], ports = [] }: MemberSource): Contribution {
  const tuples = (named: readonly NamedPort[]) =>
    named.flatMap(({ protocol, port }) =>
      addresses.map((each) => portKey(each, protocolNumber[protocol], port)),
    );
  switch (set.of) {
    case "addresses":
      return nets.length === 0
        ? [["addresses", addresses]]
        : [
            ["addresses", addresses],
            ["nets", nets],
          ];
    case "ports":
      return [["ports", tuples(ports.filter(({ name }) => name === set.name))]];
    case "service":
      return [
        ["addresses", addresses],
        ["ports", tuples(ports)],
      ];
  }
}
