import type { WatchEvent, WatchOptions } from "../client.ts";
import type { KubernetesObject } from "../object.ts";
import type { JournalEntry } from "./journal.ts";
import { selects } from "./selection.ts";
import type { AnyKind } from "./server-rules.ts";
import type { Store } from "./store.ts";
import { collectionName } from "./store-names.ts";

/** What the cluster can do to its watches: end them, or send bookmarks. */
export interface WatchControl {
  /** Grows when all watches are cut. */
  readonly epoch: () => number;
  /** Grows with each round of bookmarks. */
  readonly bookmarks: () => number;
}

/** Serves one watch from the journal. Objects that enter or leave the selection show as ADDED or DELETED. */
export async function* watchStream(
  store: Store,
  kind: AnyKind,
  options: WatchOptions,
  control: WatchControl,
): AsyncGenerator<WatchEvent<KubernetesObject>> {
  const { signal } = options;
  const isSelected = selects(options);
  const collection = collectionName(kind);
  const epoch = control.epoch();
  let bookmarks = control.bookmarks();
  let revision = Number(options.resourceVersion ?? 0);
  if (revision === 0) {
    revision = store.journal.revision;
    for (const object of store.objects(kind).filter(isSelected)) yield { type: "ADDED", object };
  }
  while (!signal.aborted && control.epoch() === epoch) {
    const entries = store.journal.after(revision);
    for (const entry of entries) {
      revision = entry.revision;
      const event = entry.collection === collection ? eventOf(entry, isSelected) : undefined;
      if (event) yield event;
    }
    if (entries.length > 0) continue;
    if (control.bookmarks() !== bookmarks) {
      bookmarks = control.bookmarks();
      yield { type: "BOOKMARK", resourceVersion: String(revision) };
      continue;
    }
    await changed(store, signal);
  }
  signal.throwIfAborted();
}

function eventOf(
  { before, after }: JournalEntry,
  isSelected: (object: KubernetesObject) => boolean,
): WatchEvent<KubernetesObject> | undefined {
  const was = before !== undefined && isSelected(before);
  const is = after !== undefined && isSelected(after);
  if (is) return { type: was ? "MODIFIED" : "ADDED", object: after };
  if (!was) return undefined;
  // A deletion shows the last state; an object that left the selection shows its new one.
  return { type: "DELETED", object: after ?? before };
}

function changed(store: Store, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      subscription[Symbol.dispose]();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const subscription = store.journal.onAppend(done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
