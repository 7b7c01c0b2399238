import type { Family } from "./ip.ts";
import type { Neighbour, NeighbourFilter, NeighbourKey, NeighbourSpec, Neighbours } from "./neighbour.ts";
import {
  decodeNeighbour,
  encodeNeighbour,
  encodeNeighbourFilter,
  encodeNeighbourKey,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from "./neighbour-codec.ts";
import { type NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "./netlink-socket.ts";

/** `Neighbours` of the kernel. */
export class KernelNeighbours implements Neighbours {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  list(filter: NeighbourFilter = {}): Neighbour[] {
    const families: readonly Family[] = filter.family === undefined ? [4, 6] : [filter.family];
    return families.flatMap((family) => this.#dump(family, filter));
  }

  #dump(family: Family, filter: NeighbourFilter): Neighbour[] {
    return this.#socket.dump(
      RTM_GETNEIGH,
      (writer) => encodeNeighbourFilter(writer, filter, family),
      ({ payload }) => {
        const neighbour = decodeNeighbour(payload);
        return filter.linkIndex === undefined || neighbour?.linkIndex === filter.linkIndex
          ? neighbour
          : undefined;
      },
      () => ({ operation: "list neighbours" }),
    );
  }

  add(neighbour: NeighbourSpec): void {
    this.#put("add", NLM_F_CREATE | NLM_F_EXCL, neighbour);
  }

  replace(neighbour: NeighbourSpec): void {
    this.#put("replace", NLM_F_CREATE | NLM_F_REPLACE, neighbour);
  }

  #put(verb: string, flags: number, neighbour: NeighbourSpec): void {
    this.#socket.request(
      RTM_NEWNEIGH,
      flags,
      (writer) => encodeNeighbour(writer, neighbour),
      describe(verb, neighbour),
    );
  }

  delete(neighbour: NeighbourKey): void {
    this.#socket.request(
      RTM_DELNEIGH,
      0,
      (writer) => encodeNeighbourKey(writer, neighbour),
      describe("delete", neighbour),
    );
  }
}

const describe = (verb: string, key: NeighbourKey) => () => ({
  operation: `${verb} ${key.proxy === true ? "proxy neighbour" : "neighbour"}`,
  object: `${key.address} dev ${key.linkIndex}`,
});
