import type { Anchor } from "./anchor.ts";
import { put, take } from "./buckets.ts";
import { type Labels, textOf } from "./labels.ts";

/** Who carries a label. An index over one key is made when somebody first asks for that key, and kept from then on. */
export class LabelIndex<T> {
  readonly #all: () => Iterable<T>;
  readonly #labelsOf: (item: T) => Labels;
  readonly #keys = new Map<string, Map<string, Set<T>>>();

  /** `all` are the items that were added and not removed: whoever has the index keeps them. */
  constructor(all: () => Iterable<T>, labelsOf: (item: T) => Labels) {
    this.#all = all;
    this.#labelsOf = labelsOf;
  }

  add(item: T): void {
    for (const [key, values] of this.#keys) {
      const value = textOf(this.#labelsOf(item), key);
      if (value !== undefined) put(values, value, item);
    }
  }

  /** Its labels must be the ones with which it was added. */
  remove(item: T): void {
    for (const [key, values] of this.#keys) {
      const value = textOf(this.#labelsOf(item), key);
      if (value !== undefined) take(values, value, item);
    }
  }

  /** Each item once that carries one of the labels; without anchors all. */
  withOneOf(anchors: readonly Anchor[] | undefined): Iterable<T> {
    if (anchors === undefined) return this.#all();
    const [only, ...others] = anchors.flatMap((anchor) => this.#carriers(anchor));
    if (only === undefined || others.length === 0) return only ?? [];
    return new Set([only, ...others].flatMap((carriers) => [...carriers]));
  }

  #carriers({ key, value }: Anchor): Iterable<T>[] {
    const values = this.#index(key);
    if (value === undefined) return [...values.values()];
    const carriers = values.get(value);
    return carriers === undefined ? [] : [carriers];
  }

  #index(key: string): Map<string, Set<T>> {
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const index = new Map<string, Set<T>>();
    for (const item of this.#all()) {
      const value = textOf(this.#labelsOf(item), key);
      if (value !== undefined) put(index, value, item);
    }
    this.#keys.set(key, index);
    return index;
  }
}
