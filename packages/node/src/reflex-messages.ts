import type { Family, RouteChange } from "@fairlead/netlink";
import type { KnownNeighbour } from "@fairlead/routes";

/** What the main loop tells the thread. */
export type ReflexOrder =
  | {
      readonly type: "arm";
      readonly id: number;
      readonly memory: SharedArrayBuffer;
      /** File descriptor of the namespace; absent: the process's own. */
      readonly netns?: number;
      readonly linkIndex: number;
      readonly mac: string;
      readonly addresses: readonly string[];
      /** Done, in order, as soon as the guest is heard. */
      readonly changes: readonly RouteChange[];
      /** Known from now on. */
      readonly neighbours: readonly KnownNeighbour[];
    }
  | {
      readonly type: "see-off";
      readonly id: number;
      /** As in `arm`. */
      readonly netns?: number;
      /** Path of the pod's namespace. */
      readonly pod: string;
      readonly linkIndex: number;
      readonly addresses: readonly string[];
    }
  | { readonly type: "end"; readonly id: number };

/** What the thread tells the main loop. `listening` and `over` come once, `problem` before another attempt, `sent` once for each family. */
export type ReflexReport =
  | { readonly type: "sent"; readonly id: number; readonly packets: number; readonly family: Family }
  | { readonly type: "listening"; readonly id: number }
  | { readonly type: "fired"; readonly id: number }
  | { readonly type: "problem"; readonly id: number; readonly error: Error }
  | { readonly type: "over"; readonly id: number; readonly error: Error };
