import type { Attachment } from "./attachment.ts";
import type { Endpoints } from "./components.ts";

/** Endpoints whose policy is in force at once, unless `late` holds their pod's name. */
export interface FakeEndpoints extends Endpoints {
  /** By host-side interface. */
  readonly present: ReadonlyMap<string, Attachment>;
  readonly late: Set<string>;
  /** The kernel has acknowledged the policy of a pod that was late. */
  acknowledge(pod: string): void;
}

/** Endpoints in memory, ready at once unless told otherwise. */
export function createFakeEndpoints(): FakeEndpoints {
  const present = new Map<string, Attachment>();
  const late = new Set<string>();
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const isCurrent = ({ hostInterface, containerId }: Attachment) =>
    present.get(hostInterface)?.containerId === containerId;
  return {
    present,
    late,
    acknowledge(pod) {
      late.delete(pod);
      waiting.get(pod)?.resolve();
      waiting.delete(pod);
    },
    isReady: (attachment) => isCurrent(attachment) && !late.has(attachment.pod.name),
    add: (attachment) => void present.set(attachment.hostInterface, attachment),
    wired(attachment) {
      if (isCurrent(attachment)) present.set(attachment.hostInterface, attachment);
    },
    remove(attachment) {
      if (isCurrent(attachment)) present.delete(attachment.hostInterface);
    },
    async ready({ pod }, signal) {
      signal.throwIfAborted();
      if (!late.has(pod.name)) return;
      const wait = waiting.get(pod.name) ?? Promise.withResolvers<void>();
      waiting.set(pod.name, wait);
      const aborted = Promise.withResolvers<never>();
      const abort = () => aborted.reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      await Promise.race([wait.promise, aborted.promise]).finally(() =>
        signal.removeEventListener("abort", abort),
      );
    },
  };
}
