import type { Reflexes } from "../reflex.ts";
import { ReflexCell } from "../reflex-cell.ts";
import type { NodeKernel } from "./kernel.fixture.ts";
import type { SimulatedProcess } from "./process.fixture.ts";
import { between, type Random, type VirtualTime } from "./virtual-time.fixture.ts";

/** What the listening thread works on. */
export interface ReflexParts {
  readonly time: VirtualTime;
  readonly kernel: NodeKernel;
  readonly process: SimulatedProcess;
  readonly random: Random;
}

/** The thread of a process that listens: it acts at once, and the main loop hears of it when it gets to it. */
export function simulateReflexes({ time, kernel, process, random }: ReflexParts): Reflexes {
  const armed = new Set<Disposable>();
  const { routes } = kernel.routesKernel(process);
  return {
    arm({ linkIndex, mac, response }, { fired }) {
      const cell = new ReflexCell();
      const listening = Promise.withResolvers<void>();
      let isListening = false;
      time.after(
        between(random, 0.2, 4),
        () => {
          isListening = true;
          listening.resolve();
        },
        process,
      );
      const act = () => {
        if (!isListening || process.isDead || !cell.claim({ kind: "rarp", at: 1n })) return;
        routes.batch(response.changes);
        cell.complete(2n);
        time.after(between(random, 0, 15), fired, process);
      };
      // A frame waits in the socket's queue while the process is stopped.
      const hearing = kernel.listen((frame) => {
        if (frame.linkIndex === linkIndex && frame.mac === mac) time.after(0.3, act, process);
      });
      armed.add(hearing);
      return {
        listening: listening.promise,
        read: () => cell.read(),
        stop() {
          hearing[Symbol.dispose]();
          armed.delete(hearing);
          listening.resolve();
          return cell.stop();
        },
      };
    },
    seeOff: () => ({ [Symbol.dispose]() {} }),
    [Symbol.dispose]() {
      for (const hearing of armed) hearing[Symbol.dispose]();
      armed.clear();
    },
  };
}
