import type { MemberSets } from "../calc/member-sets.ts";
import type { MemberKind, SetChange } from "../calc/set-state.ts";
import type { MemberSet } from "../model/policy.ts";
import type { RulesetEditor } from "../ruleset/editor.ts";
import type { Field } from "../ruleset/field.ts";
import { mergeNetworks } from "../ruleset/network.ts";
import type { Element, NftSet } from "../ruleset/ruleset.ts";
import { type Family, familyOf } from "../ruleset/value.ts";
import { comment } from "./names.ts";
import { memberSetName } from "./rule.ts";

const families: readonly Family[] = [4, 6];
const addressField: Record<Family, Field> = { 4: "ip daddr", 6: "ip6 daddr" };

/** What of a set the kernel may be asked for, besides networks. */
const kindsOf: Record<MemberSet["of"], readonly MemberKind[]> = {
  addresses: ["addresses"],
  ports: ["ports"],
  service: ["addresses", "ports"],
};

/** Keeps the kernel's sets equal to the calculated ones, member by member. */
export class KernelSets {
  readonly #editor: RulesetEditor;
  readonly #withNets = new Set<string>();

  constructor(editor: RulesetEditor) {
    this.#editor = editor;
  }

  hasNets(set: MemberSet): boolean {
    return this.#withNets.has(set.key);
  }

  /** True when rules that use the set have to be written anew: networks came into it for the first time, or left. */
  update(change: SetChange, members: MemberSets): boolean {
    const { set, fresh } = change;
    for (const kind of kindsOf[set.of]) {
      for (const family of families) {
        this.#editor.putSet("main", declaration(set, kind, family));
        if (fresh) this.#replace(set, kind, family, members);
      }
      if (!fresh) this.#edit(set, kind, change.pending[kind]);
    }
    return (fresh || change.pending.nets.size > 0) && this.#updateNets(set, members);
  }

  drop(set: MemberSet): void {
    for (const family of families) {
      for (const kind of kindsOf[set.of]) this.#editor.dropSet("main", memberSetName(set, kind, family));
      if (this.#withNets.has(set.key)) this.#editor.dropSet("main", memberSetName(set, "nets", family));
    }
    this.#withNets.delete(set.key);
  }

  #edit(set: MemberSet, kind: MemberKind, pending: ReadonlyMap<string, boolean>): void {
    for (const [key, came] of pending) {
      const name = memberSetName(set, kind, familyOfKey(key, kind));
      if (came) this.#editor.putElement("main", name, { key });
      else this.#editor.dropElement("main", name, { key });
    }
  }

  #replace(set: MemberSet, kind: MemberKind, family: Family, members: MemberSets): void {
    const elements: Element[] = [];
    for (const key of members.members(set.key, kind))
      if (familyOfKey(key, kind) === family) elements.push({ key });
    this.#editor.putElements("main", memberSetName(set, kind, family), elements);
  }

  #updateNets(set: MemberSet, members: MemberSets): boolean {
    const nets = [...members.members(set.key, "nets")];
    const had = this.#withNets.has(set.key);
    const has = nets.length > 0;
    for (const family of families) {
      const name = memberSetName(set, "nets", family);
      if (has) {
        this.#editor.putSet("main", declaration(set, "nets", family));
        const ranges = mergeNetworks(nets.filter((net) => familyOf(net) === family));
        this.#editor.putElements(
          "main",
          name,
          ranges.map(([key, last]): Element => ({ key, last, single: true })),
        );
      } else if (had) this.#editor.dropSet("main", name);
    }
    if (has) this.#withNets.add(set.key);
    else this.#withNets.delete(set.key);
    return had !== has;
  }
}

/** An address key has 8 or 32 digits; a port key is four bytes each for protocol and port longer. */
function familyOfKey(key: string, kind: MemberKind): Family {
  return key.length - (kind === "ports" ? 16 : 0) === 8 ? 4 : 6;
}

function declaration(set: MemberSet, kind: MemberKind, family: Family): NftSet {
  const address = addressField[family];
  const key: Field[] = kind === "ports" ? [address, "l4proto", "dport"] : [address];
  const name = memberSetName(set, kind, family);
  return { name, key, comment: comment(set.key), ...(kind === "nets" ? { interval: true } : {}) };
}
