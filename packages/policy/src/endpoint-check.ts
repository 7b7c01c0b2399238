import ipaddr from "ipaddr.js";
import type { LocalEndpoint } from "./endpoint.ts";
import { PolicyError } from "./error.ts";
import type { PolicySettings } from "./settings.ts";

/** Interface names become part of chain names, so only what cannot be mistaken for anything else is accepted. */
const interfaceNames = /^[A-Za-z][A-Za-z0-9_.-]{0,14}$/;
const macs = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/;

export const isInterfaceName = (name: string): boolean => interfaceNames.test(name);

/** @throws PolicyError `InvalidEndpoint`, naming the field */
export function checkEndpoint(endpoint: LocalEndpoint, settings: PolicySettings): void {
  const name = endpoint.interfaceName;
  if (!interfaceNames.test(name)) {
    throw invalid(endpoint, "interfaceName", name, "use letters, digits, '_', '.' and '-', at most 15");
  }
  if (!settings.interfacePrefixes.some((prefix) => name.startsWith(prefix))) {
    throw invalid(
      endpoint,
      "interfaceName",
      name,
      `begin it with ${settings.interfacePrefixes.join(" or ")}`,
    );
  }
  for (const mac of endpoint.macs) {
    if (!macs.test(mac)) throw invalid(endpoint, "macs", mac, "write it as aa:bb:cc:dd:ee:ff");
  }
  for (const address of endpoint.addresses) {
    if (!ipaddr.isValid(address) || address.includes("%") || isOddIpv4(address)) {
      throw invalid(endpoint, "addresses", address, "give an IPv4 or IPv6 address without prefix length");
    }
  }
  for (const prefix of endpoint.allowedSourcePrefixes ?? []) {
    if (!ipaddr.isValidCIDR(prefix)) {
      throw invalid(endpoint, "allowedSourcePrefixes", prefix, "give a network such as 10.0.0.0/24");
    }
  }
}

/** ipaddr.js also takes the octal and short forms of inet_aton. */
function isOddIpv4(address: string): boolean {
  return !address.includes(":") && !ipaddr.IPv4.isValidFourPartDecimal(address);
}

function invalid(endpoint: LocalEndpoint, field: string, value: string, advice: string): PolicyError {
  return new PolicyError(
    "InvalidEndpoint",
    `Endpoint ${endpoint.id}: ${field} ${JSON.stringify(value)} cannot be programmed; ${advice}.`,
  );
}
