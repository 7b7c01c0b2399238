import type { Selector } from "@fairlead/api";
import { labelKeys } from "../model/member-set.ts";
import { type Anchor, anchorsOf } from "./anchor.ts";
import { put, take } from "./buckets.ts";
import { LabelIndex } from "./label-index.ts";
import { type Belonging, inheritedLabels, isInherited, type LabelParents } from "./labels.ts";
import { type MemberSource, Source, SourceGroup } from "./source.ts";

/** Everything that can be a member of a set, found by its labels. Labels that are inherited are looked up by group. */
export class Sources {
  readonly #parents: LabelParents;
  readonly #byId = new Map<string, Source>();
  readonly #groups = new Map<string, SourceGroup>();
  readonly #groupsByLabel = new LabelIndex<SourceGroup>(
    () => this.#groups.values(),
    ({ inherited }) => inherited,
  );
  readonly #byService = new Map<string, Set<Source>>();
  readonly #ofServices = new SourceGroup({ isPod: false }, {});

  constructor(parents: LabelParents) {
    this.#parents = parents;
  }

  get(id: string): Source | undefined {
    return this.#byId.get(id);
  }

  /** Adds a source, or puts it in the place of the one with the same id, which is `previous`. */
  put(given: MemberSource, previous?: Source): Source {
    const { service } = given;
    const group = service === undefined ? this.#groupOf(given) : this.#ofServices;
    const source = new Source(given, group);
    this.#byId.set(given.id, source);
    if (service === undefined) group.add(source);
    else put(this.#byService, service, source);
    if (previous !== undefined) this.#unlink(previous);
    return source;
  }

  delete(source: Source): void {
    this.#byId.delete(source.given.id);
    this.#unlink(source);
  }

  #unlink(source: Source): void {
    const { group, given } = source;
    if (given.service !== undefined) {
      take(this.#byService, given.service, source);
      return;
    }
    group.remove(source);
    if (group.members.size > 0) return;
    this.#groups.delete(groupKey(group.belonging));
    this.#groupsByLabel.remove(group);
  }

  ofService(service: string): Iterable<Source> {
    return this.#byService.get(service) ?? [];
  }

  groupsIn(namespace: string): SourceGroup[] {
    return [...this.#groupsByLabel.withOneOf([{ key: labelKeys.namespace, value: namespace }])];
  }

  /** The labels the group's members should inherit. */
  inheritedBy({ belonging }: SourceGroup): Readonly<Record<string, string>> {
    return inheritedLabels(belonging, this.#parents);
  }

  /** Lets the group's members inherit other labels. */
  bequeath(group: SourceGroup, labels: Readonly<Record<string, string>>): void {
    this.#groupsByLabel.remove(group);
    group.inherited = labels;
    this.#groupsByLabel.add(group);
  }

  /** Each source once that the selector may select: by the groups it asks for, and there by the labels it asks for. */
  *candidates(selector: Selector): Generator<Source> {
    const inherited = anchorsOf(selector, (anchor) =>
      isInherited(anchor.key) ? breadth(anchor) : undefined,
    );
    const own = anchorsOf(selector, (anchor) => (isInherited(anchor.key) ? undefined : breadth(anchor)));
    for (const { byLabel } of this.#groupsByLabel.withOneOf(inherited)) yield* byLabel.withOneOf(own);
  }

  #groupOf({ namespace, serviceAccount, isPod }: Belonging): SourceGroup {
    const belonging = { namespace, serviceAccount, isPod };
    const key = groupKey(belonging);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = new SourceGroup(belonging, inheritedLabels(belonging, this.#parents));
    this.#groups.set(key, group);
    this.#groupsByLabel.add(group);
    return group;
  }
}

function groupKey({ namespace, serviceAccount, isPod }: Belonging): string {
  return `${isPod ? "pods" : "others"}/${namespace ?? ""}/${serviceAccount ?? ""}`;
}

/** A guess at how many carry a label: most are pods, and few are in one namespace. */
export function breadth({ key, value }: Anchor): number {
  if (value === undefined || key === labelKeys.orchestrator) return 1000;
  return key === labelKeys.namespace ? 1 : 10;
}
