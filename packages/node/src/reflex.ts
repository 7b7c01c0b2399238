import type { NetworkNamespace } from "@fairlead/netlink";
import { Thread } from "@fairlead/netlink/thread";
import type { StatePlan } from "@fairlead/routes";
import { type Fired, ReflexCell } from "./reflex-cell.ts";
import type { ReflexOrder, ReflexReport } from "./reflex-messages.ts";

/** What to listen for, and what to do then. */
export interface Stimulus {
  /** Namespace of the link, open as long as the reflex is armed; default: the process's own. */
  readonly netns?: NetworkNamespace | undefined;
  readonly linkIndex: number;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly response: StatePlan;
}

export interface ReflexHandlers {
  /** Ask `Reflex.read`. Late when the main loop is busy: the routes are not. */
  fired(): void;
  /** Listening goes on, or has ended: then the API's word moves the routes. */
  problem(error: Error): void;
}

export interface Reflex {
  /** Settled when a frame sent from now on is heard, when listening has failed, and after 2 s. Never rejects. */
  readonly listening: Promise<void>;
  read(): Fired | undefined;
  /** Ends it: no route changes after this call. What was heard before it. */
  stop(): Fired | undefined;
}

/** Changes routes the moment a guest is heard, on a thread of its own. */
export interface Reflexes extends Disposable {
  arm(stimulus: Stimulus, handlers: ReflexHandlers): Reflex;
}

interface Armed extends ReflexHandlers {
  readonly cell: ReflexCell;
  readonly order: Extract<ReflexOrder, { readonly type: "arm" }>;
  readonly listening: PromiseWithResolvers<void>;
}

/** Milliseconds from the thread's unexpected end to the next. */
const pause = 1_000;
/** Milliseconds in which the thread says that it listens, a busy machine included. */
const patience = 2_000;

/** Starts the thread. It does not keep the process alive. */
export function createReflexes(): Reflexes {
  const all = new Map<number, Armed>();
  let lastId = 0;
  let isOver = false;
  let thread = start();

  function start(): Thread<ReflexOrder, ReflexReport> {
    return new Thread({
      beside: import.meta.url,
      program: "reflex-thread",
      name: "fairlead-reflex",
      onReport: hear,
      onError(error) {
        for (const { problem } of all.values()) problem(error);
      },
      onExit() {
        if (isOver) return;
        for (const { cell, fired } of all.values()) if (cell.abandon()) fired();
        setTimeout(() => {
          if (isOver) return;
          thread = start();
          for (const { order } of all.values()) send(order);
        }, pause).unref();
      },
    });
  }

  const send = (order: ReflexOrder) => thread.post(order);

  function hear(report: ReflexReport): void {
    const armed = all.get(report.id);
    if (!armed) return;
    if (report.type === "fired") armed.fired();
    else if (report.type !== "listening") armed.problem(report.error);
    if (report.type !== "problem") armed.listening.resolve();
  }

  return {
    arm({ netns, linkIndex, mac, addresses, response }, handlers) {
      const cell = new ReflexCell();
      const id = ++lastId;
      const listening = Promise.withResolvers<void>();
      const order = {
        type: "arm" as const,
        id,
        memory: cell.memory,
        ...(netns && { netns: netns.fd }),
        linkIndex,
        mac,
        addresses,
        ...response,
      };
      const late = setTimeout(() => {
        handlers.problem(new Error(`the listening thread has not answered within ${patience} ms`));
        listening.resolve();
      }, patience).unref();
      listening.promise.then(() => clearTimeout(late));
      all.set(id, { cell, order, listening, ...handlers });
      send(order);
      return {
        listening: listening.promise,
        read: () => cell.read(),
        stop() {
          if (all.delete(id)) send({ type: "disarm", id });
          listening.resolve();
          return cell.stop();
        },
      };
    },
    [Symbol.dispose]() {
      isOver = true;
      thread.requestEnd();
    },
  };
}
