import type { IpamKind } from "./resources.ts";
import { type IpamStore, StoreError } from "./store.ts";

export type StoreVerb = "get" | "list" | "create" | "replace" | "remove";

export interface StoreCallRecord {
  /** 1 for the first call. */
  readonly number: number;
  readonly verb: StoreVerb;
  readonly kind: IpamKind;
}

/**
 * What happens to a call. `crash`: the process dies before or after it takes effect, and every later call fails too. `lose`: it takes
 * effect and the answer is lost. `conflict`: it is refused as if somebody else had written. `fail`: the server does not answer, reads
 * neither. `refuse`: it answers that it will not.
 */
export type StoreFault = "crash before" | "crash after" | "lose" | "conflict" | "fail" | "refuse";

/** The simulated process is dead: nothing may catch this and go on. */
export class StoreCrash extends Error {
  override readonly name = "StoreCrash";
}

/** A store that fails as told, and remembers what it was asked. */
export interface FaultyStore extends IpamStore {
  readonly calls: readonly StoreCallRecord[];
  readonly crashed: boolean;
}

/** A store as one process sees it that may die, lose answers, or wait: `gate` is awaited before each call. */
export function createFaultyStore(
  store: IpamStore,
  {
    fault = () => undefined,
    gate,
  }: {
    readonly fault?: (call: StoreCallRecord) => StoreFault | undefined;
    readonly gate?: (() => Promise<void>) | undefined;
  } = {},
): FaultyStore {
  const calls: StoreCallRecord[] = [];
  let crashed = false;
  async function run<R>(verb: StoreVerb, kind: IpamKind, effect: () => Promise<R>): Promise<R> {
    await gate?.();
    if (crashed) throw new StoreCrash("the process is dead");
    const call = { number: calls.length + 1, verb, kind };
    calls.push(call);
    const what = fault(call);
    const describe = `call ${call.number}: ${verb} ${kind}`;
    if (what === "crash before") {
      crashed = true;
      throw new StoreCrash(`died before ${describe}`);
    }
    const writes = verb !== "get" && verb !== "list";
    if (what === "fail") throw new StoreError("Unavailable", `no answer at ${describe}`);
    if (what === "refuse") throw new StoreError("Refused", `refused at ${describe}`);
    if (what === "conflict" && writes && verb !== "create")
      throw new StoreError("Conflict", `injected at ${describe}`);
    const result = await effect();
    if (what === "crash after") {
      crashed = true;
      throw new StoreCrash(`died after ${describe}`);
    }
    if (what === "lose" && writes) throw new StoreError("Unavailable", `answer lost at ${describe}`);
    return result;
  }
  return {
    calls,
    get crashed() {
      return crashed;
    },
    get: (kind, name, call) => run("get", kind, () => store.get(kind, name, call)),
    list: (kind, call) => run("list", kind, () => store.list(kind, call)),
    create: (kind, object, call) => run("create", kind, () => store.create(kind, object, call)),
    replace: (kind, object, call) => run("replace", kind, () => store.replace(kind, object, call)),
    remove: (kind, object, call) => run("remove", kind, () => store.remove(kind, object, call)),
  };
}
