import type { Environment } from "@marcbachmann/cel-js";
import ipaddr from "ipaddr.js";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

class Ip {
  readonly address: Address;

  constructor(address: Address) {
    this.address = address;
  }

  toString(): string {
    return this.address.toString();
  }
}

class Cidr {
  readonly address: Address;
  readonly length: number;

  constructor(address: Address, length: number) {
    this.address = address;
    this.length = length;
  }

  contains(other: Address): boolean {
    return this.address.kind() === other.kind() && other.match(this.address, this.length);
  }

  masked(): Cidr {
    return new Cidr(masked(this.address, this.length), this.length);
  }

  toString(): string {
    return `${this.address}/${this.length}`;
  }
}

function masked(address: Address, length: number): Address {
  const bytes = address
    .toByteArray()
    .map((byte, i) => byte & (0xff << Math.max(0, Math.min(8, 8 * (i + 1) - length))) & 0xff);
  return ipaddr.fromByteArray(bytes);
}

/** Go's net/netip: four decimal parts without leading zeros, or IPv6 without a zone. */
const isAddress = (text: string): boolean =>
  ipaddr.IPv4.isValidFourPartDecimal(text)
    ? text.split(".").every((part) => part === "0" || !part.startsWith("0"))
    : ipaddr.IPv6.isValid(text) && !text.includes("%") && !text.includes(".");

function ip(text: string): Ip {
  if (!isAddress(text)) throw new Error(`IP Address '${text}' parse error during conversion from string`);
  return new Ip(ipaddr.parse(text));
}

function cidr(text: string): Cidr {
  const [address = "", length = "", more] = text.split("/");
  const bits = isAddress(address) ? (address.includes(":") ? 128 : 32) : -1;
  if (more !== undefined || !/^(0|[1-9]\d*)$/.test(length) || Number(length) > bits)
    throw new Error(`network address parse error during conversion from string: '${text}'`);
  return new Cidr(ipaddr.parse(address), Number(length));
}

const succeeds = (parse: (text: string) => unknown) => (text: string) => {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
};

const inRange =
  (...names: string[]) =>
  ({ address }: Ip) =>
    names.includes(address.range());

/** Multicast that stays on one link: 224.0.0.0/24 and ff02::/16. */
const linkLocalMulticast = [new Cidr(ipaddr.parse("224.0.0.0"), 24), new Cidr(ipaddr.parse("ff02::"), 16)];

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw new Error(`URL parse error during conversion from string: ${text}`);
  return url;
}

/** Kubernetes' IP, CIDR and URL libraries. */
export function addNetworkFunctions(environment: Environment): void {
  environment
    .registerType("net.IP", { ctor: Ip, fields: {} })
    .registerType("net.CIDR", { ctor: Cidr, fields: {} })
    .registerType("kubernetes.URL", { ctor: URL, fields: {} })
    .registerFunction("ip(string): net.IP", ip)
    .registerFunction("isIP(string): bool", isAddress)
    .registerFunction("string(net.IP): string", String)
    .registerOperator("net.IP == net.IP", (a: Ip, b: Ip) => String(a) === String(b))
    .registerFunction("net.IP.family(): int", ({ address }: Ip) => (address.kind() === "ipv4" ? 4n : 6n))
    .registerFunction("net.IP.isUnspecified(): bool", inRange("unspecified"))
    .registerFunction("net.IP.isLoopback(): bool", inRange("loopback"))
    .registerFunction("net.IP.isLinkLocalUnicast(): bool", inRange("linkLocal"))
    .registerFunction("net.IP.isLinkLocalMulticast(): bool", ({ address }: Ip) =>
      linkLocalMulticast.some((range) => range.contains(address)),
    )
    .registerFunction(
      "net.IP.isGlobalUnicast(): bool",
      (address: Ip) => !inRange("unspecified", "loopback", "linkLocal", "multicast", "broadcast")(address),
    )
    .registerFunction("cidr(string): net.CIDR", cidr)
    .registerFunction("isCIDR(string): bool", succeeds(cidr))
    .registerFunction("string(net.CIDR): string", String)
    .registerOperator("net.CIDR == net.CIDR", (a: Cidr, b: Cidr) => String(a) === String(b))
    .registerFunction("net.CIDR.ip(): net.IP", ({ address }: Cidr) => new Ip(address))
    .registerFunction("net.CIDR.masked(): net.CIDR", (range: Cidr) => range.masked())
    .registerFunction("net.CIDR.prefixLength(): int", ({ length }: Cidr) => BigInt(length))
    .registerFunction("net.CIDR.containsIP(net.IP): bool", (a: Cidr, b: Ip) => a.contains(b.address))
    .registerFunction("net.CIDR.containsIP(string): bool", (a: Cidr, b: string) => a.contains(ip(b).address))
    .registerFunction("net.CIDR.containsCIDR(net.CIDR): bool", covers)
    .registerFunction("net.CIDR.containsCIDR(string): bool", (a: Cidr, b: string) => covers(a, cidr(b)))
    .registerFunction("url(string): kubernetes.URL", parseUrl)
    .registerFunction("isURL(string): bool", succeeds(parseUrl))
    .registerFunction("kubernetes.URL.getScheme(): string", (url: URL) => url.protocol.slice(0, -1))
    .registerFunction("kubernetes.URL.getHost(): string", (url: URL) => url.host)
    .registerFunction("kubernetes.URL.getHostname(): string", (url: URL) =>
      url.hostname.replace(/^\[|\]$/g, ""),
    )
    .registerFunction("kubernetes.URL.getPort(): string", (url: URL) => url.port)
    .registerFunction("kubernetes.URL.getEscapedPath(): string", (url: URL) => url.pathname);
}

const covers = (a: Cidr, b: Cidr): boolean => a.length <= b.length && a.contains(b.address);
