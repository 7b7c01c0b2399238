import type { InterfaceAddress } from "./interface-address.ts";
import type { Link } from "./link.ts";
import type { Neighbour } from "./neighbour.ts";
import type { Route } from "./route.ts";

/** What may be subscribed to, in both families. */
export type EventGroup = "link" | "address" | "route" | "neighbour";

/**
 * Something changed in the kernel (`ip monitor`). `at`: nanoseconds of CLOCK_MONOTONIC when the message was taken from the socket.
 *
 * `resync` says that messages were lost, or may have been (also once at the start): list again what you depend on.
 */
export type RouteEvent =
  | { readonly type: "link"; readonly change: "new" | "delete"; readonly link: Link; readonly at: bigint }
  | {
      readonly type: "address";
      readonly change: "new" | "delete";
      readonly address: InterfaceAddress;
      readonly at: bigint;
    }
  | { readonly type: "route"; readonly change: "new" | "delete"; readonly route: Route; readonly at: bigint }
  | {
      readonly type: "neighbour";
      readonly change: "new" | "delete";
      readonly neighbour: Neighbour;
      readonly at: bigint;
    }
  | { readonly type: "resync"; readonly reason: "started" | "overrun" | "malformed"; readonly at: bigint };

/** How a subscription ends, and whether it keeps the process alive. */
export interface SubscribeOptions {
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
  /** False lets the process end while subscribed. Default true. */
  readonly keepAlive?: boolean;
}

/** Ends with `close`, `using`, or its signal. No event is delivered afterwards. */
export interface Subscription extends Disposable {
  close(): void;
}
