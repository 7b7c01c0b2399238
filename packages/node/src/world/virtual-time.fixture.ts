import { seeded } from "@fairlead/ipam/fake";
import { type Job, JobQueue } from "./job-queue.fixture.ts";

/** Whose code a job is. `stopped`: what is due waits until it goes on. `dead`: nothing of it ever runs again. */
export interface JobOwner {
  readonly state: "running" | "stopped" | "dead";
  /** Keeps what came due while stopped. */
  park(work: () => void): void;
  /** Its code threw where nobody catches: a real process ends. */
  crashed(error: unknown): void;
}

/** The owner of what belongs to the world itself. */
export const nobody = null;

/** Numbers from 0 to 1, the same for the same seed. */
export type Random = () => number;

/** A generator for one purpose: what others draw does not change what it draws. */
export function randomFor(...purpose: readonly (string | number)[]): Random {
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (const character of purpose.join("\0")) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return seeded(hash);
}

/** A number between two. */
export const between = (random: Random, low: number, high: number): number => low + random() * (high - low);

/** Taken before anybody replaces it. */
const realSetImmediate = setImmediate;
const turnOfTheLoop = () => new Promise<void>((resolve) => void realSetImmediate(resolve));

/** Node.js takes what `nextTick` queued only when no microtask is left, and needs no turn of the event loop for it. */
const allMicrotasks = () => new Promise<void>((resolve) => queueMicrotask(() => process.nextTick(resolve)));

/** Milliseconds of virtual time. */
const longestWait = 3_600_000;

/** Jobs until the event loop has its turn: others of this process want to live, too. */
const jobsPerTurn = 2_000;

/**
 * Time that passes only when everything that is to happen now has happened. Jobs run one after another; what a job awaits and gets at once belongs
 * to it, so `current` says whose code runs, and who sets a timer.
 */
export class VirtualTime {
  /** Milliseconds since 1970. */
  now: number;
  current: JobOwner | null = nobody;
  /** Called after each job. */
  afterJob: () => void = () => {};
  jobs = 0;
  readonly #queue = new JobQueue();

  constructor(start = Date.parse("2026-01-01T00:00:00Z")) {
    this.now = start;
  }

  /** Does something later, as the one who asks for it unless somebody else is named. */
  after(milliseconds: number, work: () => void, owner: JobOwner | null = this.current): Job {
    return this.#queue.add({ at: this.now + Math.max(0, milliseconds), owner, work });
  }

  cancel(job: Job): void {
    job.work = undefined;
  }

  /** For the world itself: nobody's process. */
  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => void this.after(milliseconds, resolve, nobody));
  }

  /** Lets time pass until `done` or the time given; true when done. */
  async run(done: () => boolean, until: number): Promise<boolean> {
    // What was done just before may have left something to do now.
    await allMicrotasks();
    while (!done()) {
      const job = this.#queue.takeDue(until);
      if (!job) {
        this.now = Math.max(this.now, until);
        return done();
      }
      this.now = Math.max(this.now, job.at);
      await this.#do(job);
    }
    return true;
  }

  /** Lets time pass until a promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    if (!(await this.run(() => isSettled, this.now + longestWait)))
      throw new Error("what was waited for does not happen");
    return promise;
  }

  async #do(job: Job): Promise<void> {
    const { owner } = job;
    if (owner?.state === "dead") return;
    // A timer may be cancelled while its owner is stopped.
    if (owner?.state === "stopped") return owner.park(() => job.work?.());
    this.current = owner;
    this.jobs++;
    try {
      job.work?.();
    } catch (error) {
      if (!owner) throw error;
      owner.crashed(error);
    }
    await (this.jobs % jobsPerTurn === 0 ? turnOfTheLoop() : allMicrotasks());
    this.current = nobody;
    this.afterJob();
  }
}
