import type {
  InterfaceAddress,
  InterfaceAddresses,
  InterfaceAddressFilter,
  InterfaceAddressSpec,
} from "../interface-address.ts";
import { formatPrefix, parsePrefix } from "../ip.ts";
import { maskedPrefix } from "../prefix.ts";
import type { FakeRoutes } from "./routes.ts";
import { type FakeState, failure } from "./state.ts";

const PROTOCOL_KERNEL = 2;

/** `InterfaceAddresses` in memory, with the route the kernel makes for each prefix. */
export class FakeInterfaceAddresses implements InterfaceAddresses {
  readonly #state: FakeState;
  readonly #routes: FakeRoutes;

  constructor(state: FakeState, routes: FakeRoutes) {
    this.#state = state;
    this.#routes = routes;
  }

  list({ family, linkIndex }: InterfaceAddressFilter = {}): InterfaceAddress[] {
    return this.#state.addresses.filter(
      (one) =>
        (family === undefined || one.family === family) &&
        (linkIndex === undefined || one.linkIndex === linkIndex),
    );
  }

  add(spec: InterfaceAddressSpec): void {
    const address = this.#complete(spec, "add address");
    if (this.#find(spec) !== undefined) throw fail("AlreadyExists", "EEXIST", "add", spec);
    this.#state.addresses.push(address);
    this.connect(address);
    this.#state.emit({ type: "address", change: "new", address });
  }

  replace(spec: InterfaceAddressSpec): void {
    const present = this.#find(spec);
    if (present === undefined) {
      this.add(spec);
      return;
    }
    const address = this.#complete(spec, "replace address");
    this.#state.addresses[this.#state.addresses.indexOf(present)] = address;
    this.#state.emit({ type: "address", change: "new", address });
  }

  delete(spec: Pick<InterfaceAddressSpec, "linkIndex" | "address">): void {
    this.#state.link(spec.linkIndex, "delete address");
    const address = this.#find(spec);
    if (address === undefined) throw fail("NotFound", "EADDRNOTAVAIL", "delete", spec);
    this.#state.addresses = this.#state.addresses.filter((one) => one !== address);
    this.#state.routes = this.#state.routes.filter((route) => !isConnected(route, address));
    this.#state.emit({ type: "address", change: "delete", address });
  }

  /** The route to the address's own prefix, while its link is up. */
  connect(address: InterfaceAddress): void {
    const { linkIndex, family } = address;
    const destination = networkOf(address);
    const whole = destination.endsWith(family === 4 ? "/32" : "/128");
    if (address.noPrefixRoute || !this.#state.link(linkIndex, "add address").up || (family === 4 && whole))
      return;
    const common = { destination, linkIndex, protocol: PROTOCOL_KERNEL };
    const preferredSource = address.address.split("/")[0]!;
    this.#routes.prepend(family === 4 ? { ...common, preferredSource } : { ...common, metric: 256 });
  }

  #find({
    linkIndex,
    address,
  }: Pick<InterfaceAddressSpec, "linkIndex" | "address">): InterfaceAddress | undefined {
    return this.#state.addresses.find((one) => one.linkIndex === linkIndex && one.address === address);
  }

  #complete(spec: InterfaceAddressSpec, operation: string): InterfaceAddress {
    const link = this.#state.link(spec.linkIndex, operation);
    const { family, address, length } = parsePrefix(spec.address);
    return {
      family,
      linkIndex: spec.linkIndex,
      address: formatPrefix(address, length),
      peer: spec.peer,
      broadcast: spec.broadcast,
      label: family === 4 ? link.name : undefined,
      scope: spec.scope ?? "global",
      permanent: true,
      tentative: false,
      duplicate: false,
      noPrefixRoute: spec.noPrefixRoute ?? false,
    };
  }
}

function networkOf({ address }: InterfaceAddress): string {
  const { address: bytes, length } = parsePrefix(address);
  return formatPrefix(maskedPrefix(bytes, length), length);
}

const isConnected = (
  route: { readonly destination: string; readonly protocol: number; readonly linkIndex: number | undefined },
  address: InterfaceAddress,
): boolean =>
  route.protocol === PROTOCOL_KERNEL &&
  route.linkIndex === address.linkIndex &&
  route.destination === networkOf(address);

const fail = (
  code: "AlreadyExists" | "NotFound",
  errno: string,
  verb: string,
  { address, linkIndex }: Pick<InterfaceAddressSpec, "linkIndex" | "address">,
) => failure(code, errno, `${verb} address`, `${address} dev ${linkIndex}`);
