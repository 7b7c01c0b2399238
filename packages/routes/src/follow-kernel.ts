import type { RouteEvent, Subscription } from "@fairlead/netlink";
import { RoutesError } from "./error.ts";
import type { RunOptions } from "./workload-routes.ts";

/** What is followed, and what to do. */
export interface Following {
  subscribe(onEvent: (event: RouteEvent) => void): Subscription;
  /** Whether an event may have changed what should be so. */
  concerns(event: RouteEvent): boolean;
  /** Closes the difference; returns what the kernel refused. */
  reconcile(): readonly RoutesError[];
  onError(error: RoutesError): void;
}

/** Reconciles now, soon after every event that concerns us, and from time to time, until disposed or the signal. */
export function followKernel(
  { signal, interval = 90_000, quiet = 10 }: RunOptions,
  { subscribe, concerns, reconcile, onError }: Following,
): Disposable {
  signal?.throwIfAborted();
  let soon: NodeJS.Timeout | undefined;
  const now = () => {
    clearTimeout(soon);
    soon = undefined;
    try {
      for (const error of reconcile()) onError(error);
    } catch (cause) {
      onError(new RoutesError("KernelRefused", "reconciliation failed; it is tried again", cause));
    }
  };
  const subscription = subscribe((event) => {
    if (concerns(event)) soon ??= setTimeout(now, quiet);
  });
  const timer = setInterval(now, interval);
  const stop = () => {
    clearInterval(timer);
    clearTimeout(soon);
    subscription.close();
    signal?.removeEventListener("abort", stop);
  };
  signal?.addEventListener("abort", stop, { once: true });
  now();
  return { [Symbol.dispose]: stop };
}
