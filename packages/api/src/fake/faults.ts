import { ApiError, type ApiErrorCode } from "../error.ts";
import type { ObjectRef } from "../object.ts";

/** The calls of an ApiClient that a fault may hit. */
export type Verb =
  | "get"
  | "list"
  | "create"
  | "replace"
  | "replaceStatus"
  | "patch"
  | "delete"
  | "watch"
  | "raw";

/** One call of a client, as its faults see it. */
export interface Call {
  /** 1 for the client's first call. */
  readonly number: number;
  readonly verb: Verb;
  /** Kind name, or the path of a raw request. */
  readonly kind: string;
  readonly ref?: ObjectRef | undefined;
}

/**
 * `fail`: the call never reaches the server. `lose`: it takes effect and the answer is lost (`Timeout`). `delay`: it waits.
 * `crash`: the process dies before or after the call took effect; this and every later call of the client throws
 * `Crash`. `act`: something else happens just before, for example another writer gets in between.
 */
export type Fault =
  | { readonly type: "fail"; readonly error: ApiError }
  | { readonly type: "lose" }
  | { readonly type: "delay"; readonly until: Promise<void> }
  | { readonly type: "crash"; readonly when: "before" | "after" }
  | { readonly type: "act"; readonly act: () => void | Promise<void> };

/** Asked before every call. */
export type Faults = (call: Call) => Fault | undefined;

/** The simulated process is dead: nothing below the test may catch this and go on. */
export class Crash extends Error {
  override readonly name = "Crash";

  constructor(call: Call, when: "before" | "after") {
    super(`crashed ${when} call ${call.number}: ${call.verb} ${call.kind} ${call.ref?.name ?? ""}`);
  }
}

/** Whether a call changes the cluster. */
export function isWrite(verb: Verb): boolean {
  return (
    verb === "create" ||
    verb === "replace" ||
    verb === "replaceStatus" ||
    verb === "patch" ||
    verb === "delete"
  );
}

/** Which calls are meant; what is absent matches all. */
export interface CallFilter {
  readonly verb?: Verb | "write";
  readonly kind?: string;
}

function passes(call: Call, { verb, kind }: CallFilter): boolean {
  const isVerb = verb === undefined || verb === call.verb || (verb === "write" && isWrite(call.verb));
  return isVerb && (kind === undefined || kind === call.kind);
}

/** The fault on the nth call (1 is the first) that passes the filter, and only there. */
export function onNth(n: number, fault: Fault, filter: CallFilter = {}): Faults {
  let seen = 0;
  return (call) => {
    if (!passes(call, filter)) return undefined;
    seen += 1;
    return seen === n ? fault : undefined;
  };
}

/** The nth matching call fails with this code. */
export function failNth(n: number, code: ApiErrorCode, filter: CallFilter = {}): Faults {
  return onNth(n, { type: "fail", error: new ApiError(code, "injected fault") }, filter);
}

/** The process dies around its nth matching call. */
export function crashAt(n: number, when: "before" | "after", filter: CallFilter = {}): Faults {
  return onNth(n, { type: "crash", when }, filter);
}

/** The first plan that has a fault for the call wins; all are asked. */
export function combine(...plans: readonly Faults[]): Faults {
  return (call) => plans.map((plan) => plan(call)).find((fault) => fault !== undefined);
}
