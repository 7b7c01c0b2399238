import type { JobOwner } from "./virtual-time.fixture.ts";

/** Something to do at a time. Without `work` it was cancelled. */
export interface Job {
  readonly at: number;
  /** `null`: the world itself. */
  readonly owner: JobOwner | null;
  work: (() => void) | undefined;
}

interface Entry {
  readonly job: Job;
  readonly order: number;
}

const isBefore = (a: Entry, b: Entry) => a.job.at < b.job.at || (a.job.at === b.job.at && a.order < b.order);

/** Jobs by time, and those of one time in the order they were added: a binary heap. */
export class JobQueue {
  readonly #heap: Entry[] = [];
  #added = 0;

  add(job: Job): Job {
    const heap = this.#heap;
    const entry = { job, order: this.#added++ };
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
    return job;
  }

  /** The next job that was not cancelled, if it is due by then. */
  takeDue(until: number): Job | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (!first || first.job.at > until) return undefined;
      this.#removeFirst();
      if (first.job.work) return first.job;
    }
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
