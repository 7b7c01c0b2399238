import type { Family, NetworkNamespace } from "@fairlead/netlink";
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

/** A guest that is about to leave, and the pod it leaves. */
export interface Leaver {
  /** As in `Stimulus`. */
  readonly netns?: NetworkNamespace | undefined;
  /** Path of the pod's namespace. */
  readonly pod: string;
  readonly linkIndex: number;
  readonly addresses: readonly string[];
}

export interface LeaverHandlers {
  /** What had not been read was sent after the guest: once for each family. */
  sent(packets: number, family: Family): void;
  /** Some packets are lost, as they would be without us. */
  problem(error: Error): void;
}

/**
 * What must not wait for the main loop, on a thread of its own: routes change the moment a guest is heard, and what a guest left unread is sent after it
 * the moment its routes lead elsewhere.
 */
export interface Reflexes extends Disposable {
  arm(stimulus: Stimulus, handlers: ReflexHandlers): Reflex;
  /** Until disposed. See `seeOff` of `@fairlead/stragglers`. */
  seeOff(leaver: Leaver, handlers: LeaverHandlers): Disposable;
}

/** Something the thread is at. */
interface Task {
  readonly order: Exclude<ReflexOrder, { readonly type: "end" }>;
  hear(report: ReflexReport): void;
  /** The thread has ended unexpectedly; it is given the order again. */
  interrupted?(): void;
}

/** Milliseconds from the thread's unexpected end to the next. */
const pause = 1_000;
/** Milliseconds in which the thread says that it listens, a busy machine included. */
const patience = 2_000;

/** Starts the thread. It does not keep the process alive. */
export function createReflexes(): Reflexes {
  const tasks = new Map<number, Task>();
  let lastId = 0;
  let isOver = false;
  let thread = start();

  function start(): Thread<ReflexOrder, ReflexReport> {
    return new Thread({
      beside: import.meta.url,
      program: "reflex-thread",
      name: "fairlead-reflex",
      onReport: (report) => tasks.get(report.id)?.hear(report),
      onError(error) {
        for (const [id, task] of tasks) task.hear({ type: "problem", id, error });
      },
      onExit() {
        if (isOver) return;
        for (const task of tasks.values()) task.interrupted?.();
        setTimeout(() => {
          if (isOver) return;
          thread = start();
          for (const { order } of tasks.values()) thread.post(order);
        }, pause).unref();
      },
    });
  }

  function begin(task: Task): () => void {
    const { id } = task.order;
    tasks.set(id, task);
    thread.post(task.order);
    return () => {
      if (tasks.delete(id)) thread.post({ type: "end", id });
    };
  }

  return {
    arm({ netns, linkIndex, mac, addresses, response }, { fired, problem }) {
      const cell = new ReflexCell();
      const listening = Promise.withResolvers<void>();
      const late = setTimeout(() => {
        problem(new Error(`the listening thread has not answered within ${patience} ms`));
        listening.resolve();
      }, patience).unref();
      listening.promise.then(() => clearTimeout(late));
      const end = begin({
        order: {
          type: "arm",
          id: ++lastId,
          memory: cell.memory,
          ...(netns && { netns: netns.fd }),
          linkIndex,
          mac,
          addresses,
          ...response,
        },
        hear(report) {
          if (report.type === "fired") fired();
          else if ("error" in report) problem(report.error);
          if (report.type !== "problem") listening.resolve();
        },
        interrupted() {
          if (cell.abandon()) fired();
        },
      });
      return {
        listening: listening.promise,
        read: () => cell.read(),
        stop() {
          end();
          listening.resolve();
          return cell.stop();
        },
      };
    },
    seeOff({ netns, pod, linkIndex, addresses }, { sent, problem }) {
      const end = begin({
        order: {
          type: "see-off",
          id: ++lastId,
          ...(netns && { netns: netns.fd }),
          pod,
          linkIndex,
          addresses,
        },
        hear(report) {
          if (report.type === "sent") sent(report.packets, report.family);
          else if ("error" in report) problem(report.error);
        },
      });
      return { [Symbol.dispose]: end };
    },
    [Symbol.dispose]() {
      isOver = true;
      tasks.clear();
      thread.requestEnd();
    },
  };
}
