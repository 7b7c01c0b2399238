import type { NamedPort } from "../endpoint.ts";
import type { Hex } from "../ruleset/ruleset.ts";
import { LabelIndex } from "./label-index.ts";
import { type Belonging, type Labelled, type Labels, sameLabels } from "./labels.ts";

/** Something that can be a member: an endpoint anywhere in the cluster, a network set, a slice of a service. */
export interface MemberSource extends Belonging {
  readonly id: string;
  /** Its own labels. */
  readonly labels: Labels;
  readonly addresses: readonly Hex[];
  readonly nets?: readonly string[];
  readonly ports?: readonly NamedPort[];
  /** `namespace/name` of the service whose backends these are; such a source is in no other set. */
  readonly service?: string;
}

/** Sources that belong to the same namespace and account, and so inherit the same labels. */
export class SourceGroup {
  readonly belonging: Belonging;
  readonly members = new Set<Source>();
  /** The members by their own labels. */
  readonly byLabel = new LabelIndex<Source>(
    () => this.members,
    ({ labels }) => labels,
  );
  inherited: Labels;

  constructor(belonging: Belonging, inherited: Labels) {
    this.belonging = belonging;
    this.inherited = inherited;
  }

  add(source: Source): void {
    this.members.add(source);
    this.byLabel.add(source);
  }

  remove(source: Source): void {
    this.members.delete(source);
    this.byLabel.remove(source);
  }
}

/** A source in its group. There are as many as the cluster has pods, so what can be shared is not copied. */
export class Source implements Labelled {
  readonly given: MemberSource;
  readonly group: SourceGroup;

  constructor(given: MemberSource, group: SourceGroup) {
    this.given = given;
    this.group = group;
  }

  get labels(): Labels {
    return this.given.labels;
  }

  get inherited(): Labels {
    return this.group.inherited;
  }
}

/** Whether one tells sets the same as the other; most updates of a pod concern something else. */
export function sameSource(a: MemberSource, b: MemberSource): boolean {
  return (
    a.namespace === b.namespace &&
    a.serviceAccount === b.serviceAccount &&
    a.isPod === b.isPod &&
    a.service === b.service &&
    sameList(a.addresses, b.addresses) &&
    sameList(a.nets, b.nets) &&
    sameList(a.ports, b.ports, samePort) &&
    sameLabels(a.labels, b.labels)
  );
}

const samePort = (a: NamedPort, b: NamedPort) =>
  a.name === b.name && a.protocol === b.protocol && a.port === b.port;

function sameList<T>(
  a: readonly T[] = [],
  b: readonly T[] = [],
  same: (x: T, y: T) => boolean = Object.is,
): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index] as T));
}
