import type { CniErrorCode } from "./error.ts";
import type { Absence } from "./lingering.ts";
import type { HostEnd, UnwiringRequest, Wired, WiringQuery, WiringRequest } from "./wiring.ts";

/** One call of `Wiring`, for the thread. */
export type WiringCall =
  | { readonly method: "attach" | "inspect"; readonly request: WiringRequest }
  | { readonly method: "look"; readonly request: WiringQuery }
  | { readonly method: "detach"; readonly request: UnwiringRequest }
  | { readonly method: "forget"; readonly request: Absence };

export type WiringOrder = WiringCall & { readonly id: number };

export type WiringResult = Wired | readonly HostEnd[] | readonly string[] | undefined;

/** What came of it. Errors cross between threads by their parts. */
export type WiringAnswer = { readonly id: number } & (
  | { readonly result: WiringResult }
  | { readonly error: { readonly code: CniErrorCode; readonly message: string; readonly remedy: string } }
);

/** What the thread is started with: the file descriptor of the node's namespace, absent for the process's own. */
export interface WiringThreadData {
  readonly node?: number;
}
