import { type Family, formatAddress, parseAddress } from "../ip.ts";
import { parseMac } from "../mac.ts";
import type { Neighbour, NeighbourFilter, NeighbourKey, NeighbourSpec, Neighbours } from "../neighbour.ts";
import { type FakeState, failure } from "./state.ts";

/** `Neighbours` in memory. */
export class FakeNeighbours implements Neighbours {
  readonly #state: FakeState;

  constructor(state: FakeState) {
    this.#state = state;
  }

  list({ family, linkIndex, proxy = false }: NeighbourFilter = {}): Neighbour[] {
    return this.#state.neighbours.filter(
      (one) =>
        one.proxy === proxy &&
        (family === undefined || one.family === family) &&
        (linkIndex === undefined || one.linkIndex === linkIndex),
    );
  }

  add(spec: NeighbourSpec): void {
    if (spec.proxy !== true && this.#find(spec) !== undefined) {
      throw failure("AlreadyExists", "EEXIST", "add neighbour", describe(spec));
    }
    this.replace(spec);
  }

  replace(spec: NeighbourSpec): void {
    this.#state.link(spec.linkIndex, "replace neighbour");
    const present = this.#find(spec);
    const bytes = parseAddress(spec.address);
    const family: Family = bytes.length === 4 ? 4 : 6;
    const common = { family, linkIndex: spec.linkIndex, address: formatAddress(bytes), router: false };
    if (spec.proxy !== true) parseMac(spec.mac);
    const neighbour: Neighbour =
      spec.proxy === true
        ? { ...common, mac: undefined, state: "none", proxy: true }
        : { ...common, mac: spec.mac.toLowerCase(), state: spec.state ?? "permanent", proxy: false };
    this.#state.neighbours = [...this.#state.neighbours.filter((one) => one !== present), neighbour];
    this.#state.emit({ type: "neighbour", change: "new", neighbour });
  }

  delete(key: NeighbourKey): void {
    this.#state.link(key.linkIndex, "delete neighbour");
    const neighbour = this.#find(key);
    if (neighbour === undefined) throw failure("NotFound", "ENOENT", "delete neighbour", describe(key));
    this.#state.neighbours = this.#state.neighbours.filter((one) => one !== neighbour);
    this.#state.emit({ type: "neighbour", change: "delete", neighbour });
  }

  #find({ linkIndex, address, proxy = false }: NeighbourKey): Neighbour | undefined {
    const text = formatAddress(parseAddress(address));
    return this.#state.neighbours.find(
      (one) => one.linkIndex === linkIndex && one.address === text && one.proxy === proxy,
    );
  }
}

const describe = ({ address, linkIndex }: NeighbourKey): string => `${address} dev ${linkIndex}`;
