import type { ProtocolStatus } from "./status.ts";

/**
 * Whether BIRD would end a protocol and start it anew, were it to go over from one configuration to the other while it runs. A BGP
 * session then ends with a Cease, and its neighbour drops our routes at once; the kernel's protocol forgets the workloads until it
 * looks at the kernel again. Filters change without that, and protocols that come or go concern no other.
 */
export function restartsProtocols(before: string, after: string): boolean {
  const old = optionsOf(before);
  return optionsOf(after)
    .entries()
    .some(([name, options]) => (old.get(name) ?? options) !== options);
}

/** What BIRD compares: the options of each protocol without its filters, and what all of them have in common. */
function optionsOf(text: string): ReadonlyMap<string, string> {
  const blocks = text.matchAll(/^((?:protocol (?:bgp|kernel)|template bgp) \S+).*\{\n([\s\S]*?)^\}$/gm);
  const options = new Map([...blocks].map(([, name = "", body = ""]) => [name, withoutFilters(body)]));
  const routerId = /^router id .*$/m.exec(text)?.[0];
  return routerId === undefined ? options : options.set("router id", routerId);
}

const withoutFilters = (body: string) =>
  body.replaceAll(/^ *(?:import|export) filter \{[\s\S]*?^ {4}\};\n/gm, "");

/** Whether every neighbour is there and keeps our routes when BIRD goes without a word (RFC 4724): then its restart is not noticed. */
export const isRestartUnnoticed = (protocols: readonly ProtocolStatus[]): boolean =>
  protocols.every(
    ({ type, info, keepsRoutes }) =>
      type !== "BGP" || (info.startsWith("Established") && keepsRoutes === true),
  );
