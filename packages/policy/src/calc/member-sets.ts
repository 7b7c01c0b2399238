import type { MemberSet } from "../model/policy.ts";
import { bounds, contains } from "../ruleset/network.ts";
import type { Hex } from "../ruleset/ruleset.ts";
import { type Anchor, anchorsOf } from "./anchor.ts";
import { type LabelParents, sameLabels } from "./labels.ts";
import { SelectorIndex } from "./selector-index.ts";
import { type MemberKind, portKey, type SetChange, SetState } from "./set-state.ts";
import { type MemberSource, type Source, sameSource } from "./source.ts";
import { breadth, Sources } from "./sources.ts";

/**
 * The members of every set that somebody asked for, kept up to date as sources come and go. Who is in which set is not written down: the
 * labels tell, before a change as after it.
 */
export class MemberSets {
  readonly #sources: Sources;
  readonly #sets = new Map<string, SetState>();
  readonly #setsByLabel = new SelectorIndex<SetState>();
  readonly #changed = new Set<SetState>();
  readonly #dropped = new Map<string, MemberSet>();

  constructor(parents: LabelParents) {
    this.#sources = new Sources(parents);
  }

  get size(): number {
    return this.#sets.size;
  }

  acquire(set: MemberSet): void {
    const known = this.#sets.get(set.key);
    if (known !== undefined) {
      known.references++;
      return;
    }
    const anchors = set.of === "service" ? undefined : anchorsOf(set.selector, (each) => this.#crowd(each));
    const state = new SetState(set, anchors);
    this.#sets.set(set.key, state);
    this.#changed.add(state);
    if (set.of === "service") {
      for (const source of this.#sources.ofService(`${set.namespace}/${set.name}`)) state.add(source.given);
      return;
    }
    this.#setsByLabel.add(anchors, state);
    for (const source of this.#sources.candidates(set.selector))
      if (state.selects(source)) state.add(source.given);
  }

  /** True when nobody needs the set any more; its members are forgotten then. */
  release(set: MemberSet): boolean {
    const state = this.#sets.get(set.key);
    if (state === undefined || --state.references > 0) return false;
    this.#sets.delete(set.key);
    this.#changed.delete(state);
    this.#dropped.set(set.key, set);
    if (set.of !== "service") this.#setsByLabel.remove(state.anchors, state);
    return true;
  }

  upsert(given: MemberSource): void {
    const previous = this.#sources.get(given.id);
    if (previous !== undefined && sameSource(previous.given, given)) return;
    const source = this.#sources.put(given, previous);
    // What it adds before and after does not go in between.
    for (const state of this.#setsOf(source)) this.#enter(state, source);
    if (previous !== undefined) for (const state of this.#setsOf(previous)) this.#leave(state, previous);
  }

  remove(id: string): void {
    const source = this.#sources.get(id);
    if (source === undefined) return;
    for (const state of this.#setsOf(source)) this.#leave(state, source);
    this.#sources.delete(source);
  }

  /** Asks anew what those in a namespace, or those of one account in it, inherit. */
  inheritAnew(namespace: string, serviceAccount?: string): void {
    for (const group of this.#sources.groupsIn(namespace)) {
      if (serviceAccount !== undefined && group.belonging.serviceAccount !== serviceAccount) continue;
      const labels = this.#sources.inheritedBy(group);
      if (sameLabels(labels, group.inherited)) continue;
      for (const source of group.members)
        for (const state of this.#setsOf(source)) this.#leave(state, source);
      this.#sources.bequeath(group, labels);
      for (const source of group.members)
        for (const state of this.#setsOf(source)) this.#enter(state, source);
    }
  }

  /** Sets that came into being or whose members changed since the last call. */
  takeChanges(): SetChange[] {
    const changes = [...this.#changed].map((state) => state.take());
    this.#changed.clear();
    return changes;
  }

  /** Sets nobody needs any more since the last call. */
  takeDropped(): MemberSet[] {
    const dropped = [...this.#dropped.values()].filter(({ key }) => !this.#sets.has(key));
    this.#dropped.clear();
    return dropped;
  }

  members(key: string, kind: MemberKind): ReadonlySet<string> {
    return this.#sets.get(key)?.members[kind] ?? nobody;
  }

  /** Whether an address (hex) is in the set, by itself or in one of its networks. */
  hasAddress(set: MemberSet, member: Hex): boolean {
    const members = this.#sets.get(set.key)?.members;
    if (members === undefined) return false;
    if (members.addresses.has(member)) return true;
    for (const net of members.nets) if (contains(bounds(net), member)) return true;
    return false;
  }

  hasPort(set: MemberSet, member: Hex, protocol: number, port: number): boolean {
    return this.members(set.key, "ports").has(portKey(member, protocol, port));
  }

  #enter(state: SetState, source: Source): void {
    state.add(source.given);
    this.#changed.add(state);
  }

  #leave(state: SetState, source: Source): void {
    state.subtract(source.given);
    this.#changed.add(state);
  }

  *#setsOf(source: Source): Generator<SetState> {
    const { service } = source.given;
    if (service !== undefined) {
      const state = this.#sets.get(`service ${service}`);
      if (state !== undefined) yield state;
      return;
    }
    for (const state of this.#setsByLabel.askersFor(source)) if (state.selects(source)) yield state;
  }

  /** How many sets a source with this label has to be tried against: sets stand where few stand already. */
  #crowd(anchor: Anchor): number {
    return breadth(anchor) + this.#setsByLabel.count(anchor);
  }
}

const nobody: ReadonlySet<string> = new Set();
