import type { NatPool } from "../render/nat.ts";

/** What outgoing address translation depends on: address pools, and the addresses of nodes. */
export class Pools {
  readonly #pools = new Map<string, NatPool>();
  readonly #nodes = new Map<string, readonly string[]>();
  #changed = false;

  setPool(name: string, pool: NatPool | undefined): void {
    if (pool === undefined) this.#pools.delete(name);
    else this.#pools.set(name, pool);
    this.#changed = true;
  }

  setNode(name: string, addresses: readonly string[] | undefined): void {
    if (addresses === undefined) this.#nodes.delete(name);
    else this.#nodes.set(name, addresses);
    this.#changed = true;
  }

  /** Whether anything changed since the last call. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  get pools(): Iterable<NatPool> {
    return this.#pools.values();
  }

  get nodeAddresses(): string[] {
    return [...this.#nodes.values()].flat();
  }
}
