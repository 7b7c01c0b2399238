import { Thread } from "@fairlead/netlink/thread";
import { CniError } from "./error.ts";
import type { HostEnd, Wired, Wiring } from "./wiring.ts";
import type { LinuxWiringOptions } from "./wiring-linux.ts";
import type {
  WiringAnswer,
  WiringCall,
  WiringOrder,
  WiringResult,
  WiringThreadData,
} from "./wiring-messages.ts";

/**
 * The wiring of Linux on a thread of its own, so that the main loop never waits for a link to go. It starts again with the first call after it has ended, and does not keep the process alive. `node` must stay open.
 */
export function createThreadedWiring({ node }: LinuxWiringOptions = {}): Wiring & AsyncDisposable {
  const pending = new Map<number, PromiseWithResolvers<WiringResult>>();
  let lastId = 0;
  let thread: Thread<WiringOrder, WiringAnswer> | undefined = start();

  function start(): Thread<WiringOrder, WiringAnswer> {
    const data: WiringThreadData = node ? { node: node.fd } : {};
    const started: Thread<WiringOrder, WiringAnswer> = new Thread({
      beside: import.meta.url,
      program: "wiring-thread",
      name: "fairlead-wiring",
      data,
      onReport: settle,
      onError: lose,
      onExit: () => lose(undefined),
    });
    return started;

    function lose(cause: unknown): void {
      if (thread !== started) return;
      thread = undefined;
      for (const call of pending.values())
        call.reject(
          new CniError("WiringFailed", "the wiring thread has ended", "the runtime tries again", { cause }),
        );
      pending.clear();
    }
  }

  function settle(answer: WiringAnswer): void {
    const call = pending.get(answer.id);
    pending.delete(answer.id);
    if (pending.size === 0) thread?.unref();
    if ("result" in answer) call?.resolve(answer.result);
    else call?.reject(new CniError(answer.error.code, answer.error.message, answer.error.remedy));
  }

  function call(what: WiringCall): Promise<WiringResult> {
    const id = ++lastId;
    const waiting = Promise.withResolvers<WiringResult>();
    pending.set(id, waiting);
    thread ??= start();
    thread.ref();
    thread.post({ ...what, id });
    return waiting.promise;
  }

  return {
    attach: async (request) => (await call({ method: "attach", request })) as Wired,
    inspect: async (request) => (await call({ method: "inspect", request })) as readonly string[],
    look: async (request) => (await call({ method: "look", request })) as readonly HostEnd[],
    detach: async (request) => void (await call({ method: "detach", request })),
    forget: async (request) => void (await call({ method: "forget", request })),
    async [Symbol.asyncDispose]() {
      await thread?.end();
    },
  };
}
