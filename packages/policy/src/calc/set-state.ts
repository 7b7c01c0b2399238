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
  readonly members: Readonly<Record<MemberKind, Set<string>>> = {
    addresses: new Set(),
    ports: new Set(),
    nets: new Set(),
  };
  /** How many sources add a member, where it is more than one. Members of different kinds never look alike. */
  readonly #shared = new Map<string, number>();
  #pending = noPending();
  #fresh = true;

  constructor(set: MemberSet, anchors: readonly Anchor[] | undefined) {
    this.set = set;
    this.anchors = anchors;
    this.selects = set.of === "service" ? () => false : compile(set.selector);
  }

  add(source: MemberSource): void {
    this.#contribute(source, this.#enter);
  }

  subtract(source: MemberSource): void {
    this.#contribute(source, this.#leave);
  }

  /** What one source adds to the set. */
  #contribute(
    { addresses, nets, ports }: MemberSource,
    each: (kind: MemberKind, member: string) => void,
  ): void {
    const { set } = this;
    if (set.of !== "ports") for (const member of addresses) each("addresses", member);
    if (set.of === "addresses") for (const net of nets ?? []) each("nets", net);
    else
      for (const { name, protocol, port } of ports ?? []) {
        if (set.of === "ports" && name !== set.name) continue;
        for (const member of addresses) each("ports", portKey(member, protocolNumber[protocol], port));
      }
  }

  readonly #enter = (kind: MemberKind, member: string): void => {
    const members = this.members[kind];
    const before = members.size;
    members.add(member);
    if (members.size > before) this.#note(kind, member, true);
    else this.#shared.set(member, (this.#shared.get(member) ?? 1) + 1);
  };

  readonly #leave = (kind: MemberKind, member: string): void => {
    const sources = this.#shared.get(member) ?? 1;
    if (sources > 2) this.#shared.set(member, sources - 1);
    else if (sources === 2) this.#shared.delete(member);
    else if (this.members[kind].delete(member)) this.#note(kind, member, false);
  };

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
