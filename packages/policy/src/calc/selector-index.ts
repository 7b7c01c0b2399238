import type { LabelReader } from "@fairlead/api";
import type { Anchor } from "./anchor.ts";
import { put, take } from "./buckets.ts";
import { type Labelled, readerOf } from "./labels.ts";

interface Askers<T> {
  readonly read: LabelReader<Labelled>;
  readonly byValue: Map<string, Set<T>>;
  /** Those who ask only that the label is there. */
  readonly anyValue: Set<T>;
}

/** Who asks for a label: the selectors that a subject may satisfy are found by its labels, not by trying all. */
export class SelectorIndex<T> {
  readonly #keys = new Map<string, Askers<T>>();
  /** Those whose selector gives nothing to look up. */
  readonly #unanchored = new Set<T>();

  add(anchors: readonly Anchor[] | undefined, asker: T): void {
    if (anchors === undefined) this.#unanchored.add(asker);
    for (const { key, value } of anchors ?? []) {
      const { byValue, anyValue } = this.#askers(key);
      if (value === undefined) anyValue.add(asker);
      else put(byValue, value, asker);
    }
  }

  remove(anchors: readonly Anchor[] | undefined, asker: T): void {
    this.#unanchored.delete(asker);
    for (const { key, value } of anchors ?? []) {
      const askers = this.#askers(key);
      if (value === undefined) askers.anyValue.delete(asker);
      else take(askers.byValue, value, asker);
      if (askers.anyValue.size === 0 && askers.byValue.size === 0) this.#keys.delete(key);
    }
  }

  /** How many ask for exactly this label. */
  count({ key, value }: Anchor): number {
    const askers = this.#keys.get(key);
    return (value === undefined ? askers?.anyValue : askers?.byValue.get(value))?.size ?? 0;
  }

  /** Each asker once whose anchors the subject has. Whether it is really meant, the selector itself has to say. */
  askersFor(subject: Labelled): ReadonlySet<T> {
    if (this.#keys.size === 0) return this.#unanchored;
    const found = new Set(this.#unanchored);
    for (const { read, byValue, anyValue } of this.#keys.values()) {
      const value = read(subject);
      if (value === undefined) continue;
      for (const asker of byValue.get(value) ?? []) found.add(asker);
      for (const asker of anyValue) found.add(asker);
    }
    return found;
  }

  #askers(key: string): Askers<T> {
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const askers: Askers<T> = { read: readerOf(key), byValue: new Map(), anyValue: new Set() };
    this.#keys.set(key, askers);
    return askers;
  }
}
