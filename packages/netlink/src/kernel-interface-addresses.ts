import type {
  InterfaceAddress,
  InterfaceAddresses,
  InterfaceAddressFilter,
  InterfaceAddressSpec,
} from "./interface-address.ts";
import {
  decodeInterfaceAddress,
  encodeInterfaceAddress,
  encodeInterfaceAddressFilter,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from "./interface-address-codec.ts";
import type { Family } from "./ip.ts";
import { type NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "./netlink-socket.ts";

/** `InterfaceAddresses` of the kernel. */
export class KernelInterfaceAddresses implements InterfaceAddresses {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  list(filter: InterfaceAddressFilter = {}): InterfaceAddress[] {
    const families: readonly Family[] = filter.family === undefined ? [4, 6] : [filter.family];
    return families.flatMap((family) => this.#dump(family, filter));
  }

  #dump(family: Family, filter: InterfaceAddressFilter): InterfaceAddress[] {
    return this.#socket.dump(
      RTM_GETADDR,
      (writer) => encodeInterfaceAddressFilter(writer, filter, family),
      ({ payload }) => {
        const address = decodeInterfaceAddress(payload);
        return filter.linkIndex === undefined || address?.linkIndex === filter.linkIndex
          ? address
          : undefined;
      },
      () => ({ operation: "list addresses" }),
    );
  }

  add(address: InterfaceAddressSpec): void {
    this.#request("add", RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);
  }

  replace(address: InterfaceAddressSpec): void {
    this.#request("replace", RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, address);
  }

  delete(address: Pick<InterfaceAddressSpec, "linkIndex" | "address">): void {
    this.#request("delete", RTM_DELADDR, 0, address);
  }

  #request(verb: string, type: number, flags: number, address: InterfaceAddressSpec): void {
    this.#socket.request(
      type,
      flags,
      (writer) => encodeInterfaceAddress(writer, address),
      () => ({ operation: `${verb} address`, object: `${address.address} dev ${address.linkIndex}` }),
    );
  }
}
