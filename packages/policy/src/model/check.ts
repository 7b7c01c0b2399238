import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { PolicyError } from "../error.ts";
import type { Hex } from "../ruleset/ruleset.ts";
import { address, usualAddress } from "../ruleset/value.ts";
import type { PolicyModel, RuleModel } from "./policy.ts";

/**
 * What the kernel could not be told. The API server checks most of it; we check all of it, whenever we read, because one bad rule
 * would hold up every other change.
 *
 * @throws PolicyError `InvalidObject`
 */
export function checkModel(model: PolicyModel): PolicyModel {
  for (const rule of [...model.ingress, ...model.egress]) checkRule(rule);
  return model;
}

function checkRule(rule: RuleModel): void {
  for (const number of [
    rule.protocol,
    rule.notProtocol,
    rule.icmp?.type,
    rule.icmp?.code,
    rule.notIcmp?.type,
    rule.notIcmp?.code,
  ]) {
    if (number !== undefined && !isWhole(number, 255)) throw invalid("number", number, "use 0 to 255");
  }
  for (const side of [rule.source, rule.destination]) {
    for (const net of [...(side.nets ?? []), ...(side.notNets ?? [])]) {
      if (!isNetwork(net)) throw invalid("network", net, "write it as 10.0.0.0/8 or fd00::/64");
    }
    for (const port of [...(side.ports ?? []), ...(side.notPorts ?? [])]) {
      if ("named" in port) continue;
      const { first, last } = port;
      if (!isWhole(first, 65_535) || !isWhole(last, 65_535) || first > last) {
        throw invalid("port", `${first}-${last}`, "use 0 to 65535, the lower one first");
      }
    }
  }
}

export function isNetwork(text: unknown): text is string {
  if (typeof text !== "string") return false;
  if (isUsualNetwork(text)) return true;
  if (!ipaddr.isValidCIDR(text) || text.includes("%")) return false;
  return text.includes(":") || ipaddr.IPv4.isValidCIDRFourPartDecimal(text);
}

function isUsualNetwork(text: string): boolean {
  const slash = text.indexOf("/");
  const address = slash < 0 ? undefined : usualAddress(text.slice(0, slash));
  const length = text.slice(slash + 1);
  return address !== undefined && /^[0-9]{1,3}$/.test(length) && Number(length) <= address.length * 4;
}

/** An address in the one form everybody reads alike. */
export function isAddress(text: unknown): text is string {
  return typeof text === "string" && isIP(text) !== 0 && !text.includes("%");
}

/** An address as the kernel holds it, `undefined` for what is none. */
export function readAddress(text: unknown): Hex | undefined {
  if (typeof text !== "string") return undefined;
  return usualAddress(text) ?? (isAddress(text) ? address(text) : undefined);
}

export function isWhole(number: unknown, most: number): number is number {
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= most;
}

function invalid(what: string, value: unknown, advice: string): PolicyError {
  return new PolicyError("InvalidObject", `A rule has the ${what} ${JSON.stringify(value)}; ${advice}.`);
}
