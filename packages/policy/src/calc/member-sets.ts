import { compileSelector, type LabelPredicate } from "@fairlead/api";
import type { NamedPort } from "../endpoint.ts";
import type { MemberSet } from "../model/policy.ts";
import { bounds, contains } from "../ruleset/network.ts";
import type { Hex } from "../ruleset/ruleset.ts";
import { protocolNumber } from "../ruleset/statement.ts";
import { address, concatenation, u8, u16 } from "../ruleset/value.ts";
import { type Anchor, anchorsOf } from "./anchor.ts";

/** Something that can be a member: an endpoint anywhere in the cluster, a network set, a slice of a service. */
export interface MemberSource {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
  readonly nets?: readonly string[];
  readonly ports?: readonly NamedPort[];
  /** `namespace/name` of the service whose backends these are; such a source is in no other set. */
  readonly service?: string;
}

/** Addresses are hex, ports `address protocol port` as one key, networks text. */
export type MemberKind = "addresses" | "ports" | "nets";

interface Source {
  readonly source: MemberSource;
  /** Its addresses as bytes. */
  readonly own: readonly Hex[];
  readonly sets: Set<SetState>;
}

/** What one source adds to one set. */
interface Contribution {
  readonly addresses: readonly Hex[];
  readonly ports: readonly Hex[];
  readonly nets: readonly string[];
}

interface SetState {
  readonly set: MemberSet;
  readonly matches: (source: MemberSource) => boolean;
  /** Where to look for its members; `undefined` is everywhere. */
  readonly anchors: readonly Anchor[] | undefined;
  references: number;
  fresh: boolean;
  /** How many sources add each member. */
  readonly counts: Record<MemberKind, Map<string, number>>;
  /** Members that came (true) or went (false) since the last `takeChanges`. */
  readonly pending: Record<MemberKind, Map<string, boolean>>;
}

export interface SetChange {
  readonly set: MemberSet;
  /** The set is new since the last call: what is pending is all there is. */
  readonly fresh: boolean;
  readonly pending: Readonly<Record<MemberKind, ReadonlyMap<string, boolean>>>;
}

/** Sources by the value of one label. Made when the first set asks for that label. */
interface LabelIndex {
  readonly sources: Map<string, Set<Source>>;
  readonly sets: Map<string, Set<SetState>>;
  /** Sets that ask only that the label is there. */
  readonly anyValue: Set<SetState>;
}

/** The members of every set that somebody asked for, kept up to date as sources come and go. */
export class MemberSets {
  readonly #sources = new Map<string, Source>();
  readonly #sets = new Map<string, SetState>();
  readonly #labels = new Map<string, LabelIndex>();
  readonly #services = new Map<string, Set<Source>>();
  /** Sets whose selector gives nothing to look up. */
  readonly #unanchored = new Set<SetState>();
  readonly #changed = new Set<SetState>();
  readonly #dropped = new Map<string, MemberSet>();

  get size(): number {
    return this.#sets.size;
  }

  acquire(set: MemberSet): void {
    const known = this.#sets.get(set.key);
    if (known !== undefined) {
      known.references++;
      return;
    }
    const state: SetState = {
      set,
      matches: matcher(set),
      anchors: set.of === "service" ? undefined : anchorsOf(set.selector),
      references: 1,
      fresh: true,
      counts: { addresses: new Map(), ports: new Map(), nets: new Map() },
      pending: { addresses: new Map(), ports: new Map(), nets: new Map() },
    };
    this.#sets.set(set.key, state);
    this.#changed.add(state);
    this.#register(state);
    for (const source of this.#candidates(state)) this.#consider(source, state);
  }

  /** True when nobody needs the set any more; its members are forgotten then. */
  release(set: MemberSet): boolean {
    const state = this.#sets.get(set.key);
    if (state === undefined || --state.references > 0) return false;
    this.#sets.delete(set.key);
    this.#changed.delete(state);
    this.#dropped.set(set.key, set);
    for (const source of this.#candidates(state)) source.sets.delete(state);
    this.#unregister(state);
    return true;
  }

  upsert(source: MemberSource): void {
    const previous = this.#sources.get(source.id);
    const next: Source = { source, own: source.addresses.map(address), sets: new Set() };
    for (const state of this.#possibleSets(source)) {
      if (!state.matches(source)) continue;
      next.sets.add(state);
      this.#add(state, contribution(state.set, next));
    }
    if (previous !== undefined) this.#forget(previous);
    this.#sources.set(source.id, next);
    if (source.service !== undefined) put(this.#services, source.service, next);
    else
      for (const [key, index] of this.#labels) {
        const value = source.labels[key];
        if (value !== undefined) put(index.sources, value, next);
      }
  }

  remove(id: string): void {
    const known = this.#sources.get(id);
    if (known === undefined) return;
    this.#forget(known);
    this.#sources.delete(id);
  }

  /** Sets that came into being or whose members changed since the last call. */
  takeChanges(): SetChange[] {
    const changes = [...this.#changed].map(({ set, fresh, pending }) => ({
      set,
      fresh,
      pending: {
        addresses: new Map(pending.addresses),
        ports: new Map(pending.ports),
        nets: new Map(pending.nets),
      },
    }));
    for (const state of this.#changed) {
      state.fresh = false;
      for (const kind of kinds) state.pending[kind].clear();
    }
    this.#changed.clear();
    return changes;
  }

  /** Sets nobody needs any more since the last call. */
  takeDropped(): MemberSet[] {
    const dropped = [...this.#dropped.values()].filter(({ key }) => !this.#sets.has(key));
    this.#dropped.clear();
    return dropped;
  }

  members(key: string, kind: MemberKind): ReadonlyMap<string, number> {
    return this.#sets.get(key)?.counts[kind] ?? nobody;
  }

  /** Whether an address (hex) is in the set, by itself or in one of its networks. */
  hasAddress(set: MemberSet, member: Hex): boolean {
    const counts = this.#sets.get(set.key)?.counts;
    if (counts === undefined) return false;
    if (counts.addresses.has(member)) return true;
    for (const net of counts.nets.keys()) if (contains(bounds(net), member)) return true;
    return false;
  }

  hasPort(set: MemberSet, member: Hex, protocol: number, port: number): boolean {
    return this.members(set.key, "ports").has(portKey(member, protocol, port));
  }

  #candidates({ set, anchors }: SetState): Iterable<Source> {
    if (set.of === "service") return this.#services.get(`${set.namespace}/${set.name}`) ?? [];
    if (anchors === undefined) return this.#sources.values();
    const found = new Set<Source>();
    for (const { key, value } of anchors) {
      const { sources } = this.#labelIndex(key);
      const lists = value === undefined ? sources.values() : [sources.get(value) ?? []];
      for (const list of lists) for (const source of list) found.add(source);
    }
    return found;
  }

  /** Makes new sources find the set. */
  #register(state: SetState): void {
    if (state.set.of === "service") return;
    if (state.anchors === undefined) this.#unanchored.add(state);
    for (const { key, value } of state.anchors ?? []) {
      const index = this.#labelIndex(key);
      if (value === undefined) index.anyValue.add(state);
      else put(index.sets, value, state);
    }
  }

  #unregister(state: SetState): void {
    this.#unanchored.delete(state);
    for (const { key, value } of state.anchors ?? []) {
      const index = this.#labelIndex(key);
      if (value === undefined) index.anyValue.delete(state);
      else take(index.sets, value, state);
    }
  }

  *#possibleSets(source: MemberSource): Generator<SetState> {
    if (source.service !== undefined) {
      const state = this.#sets.get(`service ${source.service}`);
      if (state !== undefined) yield state;
      return;
    }
    const seen = new Set<SetState>();
    for (const [key, index] of this.#labels) {
      const value = source.labels[key];
      if (value === undefined) continue;
      for (const state of index.sets.get(value) ?? []) seen.add(state);
      for (const state of index.anyValue) seen.add(state);
    }
    yield* seen;
    yield* this.#unanchored;
  }

  #labelIndex(key: string): LabelIndex {
    const known = this.#labels.get(key);
    if (known !== undefined) return known;
    const index: LabelIndex = { sources: new Map(), sets: new Map(), anyValue: new Set() };
    for (const source of this.#sources.values()) {
      const value = source.source.service === undefined ? source.source.labels[key] : undefined;
      if (value !== undefined) put(index.sources, value, source);
    }
    this.#labels.set(key, index);
    return index;
  }

  #consider(source: Source, state: SetState): void {
    if (source.sets.has(state) || !state.matches(source.source)) return;
    source.sets.add(state);
    this.#add(state, contribution(state.set, source));
  }

  #forget(entry: Source): void {
    const { source, sets } = entry;
    for (const state of sets) this.#subtract(state, contribution(state.set, entry));
    if (source.service !== undefined) take(this.#services, source.service, entry);
    for (const [key, index] of this.#labels) {
      const value = source.labels[key];
      if (value === undefined) continue;
      take(index.sources, value, entry);
    }
  }

  #add(state: SetState, members: Contribution): void {
    for (const kind of kinds) {
      for (const member of members[kind]) {
        const count = state.counts[kind].get(member) ?? 0;
        state.counts[kind].set(member, count + 1);
        if (count === 0) this.#note(state, kind, member, true);
      }
    }
  }

  #subtract(state: SetState, members: Contribution): void {
    for (const kind of kinds) {
      for (const member of members[kind]) {
        const count = state.counts[kind].get(member) ?? 0;
        if (count > 1) state.counts[kind].set(member, count - 1);
        else if (state.counts[kind].delete(member)) this.#note(state, kind, member, false);
      }
    }
  }

  /** Coming and going between two looks cancel out. */
  #note(state: SetState, kind: MemberKind, member: string, came: boolean): void {
    const pending = state.pending[kind];
    if (pending.get(member) === !came) pending.delete(member);
    else pending.set(member, came);
    this.#changed.add(state);
  }
}

const kinds: readonly MemberKind[] = ["addresses", "ports", "nets"];
const nobody: ReadonlyMap<string, number> = new Map();

export function portKey(member: Hex, protocol: number, port: number): Hex {
  return concatenation([member, u8(protocol), u16(port)]);
}

function matcher(set: MemberSet): (source: MemberSource) => boolean {
  if (set.of === "service") return ({ service }) => service === `${set.namespace}/${set.name}`;
  const matches: LabelPredicate = compileSelector(set.selector);
  return ({ labels, service }) => service === undefined && matches(labels);
}

function contribution(set: MemberSet, { own, source }: Source): Contribution {
  const { nets = [], ports = [] } = source;
  const tuples = (named: readonly NamedPort[]) =>
    named.flatMap(({ protocol, port }) => own.map((each) => portKey(each, protocolNumber[protocol], port)));
  switch (set.of) {
    case "addresses":
      return { addresses: own, ports: [], nets };
    case "ports":
      return { addresses: [], ports: tuples(ports.filter(({ name }) => name === set.name)), nets: [] };
    case "service":
      return { addresses: own, ports: tuples(ports), nets: [] };
  }
}

function put<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, new Set([value]));
  else values.add(value);
}

function take<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const values = index.get(key);
  values?.delete(value);
  if (values?.size === 0) index.delete(key);
}
