import { formatSelector, namespaceLabel, type Selector } from "@fairlead/api";
import type { MemberSet } from "./policy.ts";

/** Everything a selector selects: addresses of endpoints, networks of network sets. */
export function selected(selector: Selector): MemberSet {
  return { of: "addresses", key: `addresses ${formatSelector(selector)}`, selector };
}

/** Where a port of this name is, among what a selector selects. */
export function namedPort(selector: Selector, name: string): MemberSet {
  return { of: "ports", key: `port ${name} ${formatSelector(selector)}`, selector, name };
}

/** Addresses and ports behind a service. */
export function service(namespace: string, name: string): MemberSet {
  return { of: "service", key: `service ${namespace}/${name}`, namespace, name };
}

/** The prefixes under which endpoints inherit labels of their namespace and service account. */
export const inherited = { namespace: "pcns.", serviceAccount: "pcsa." } as const;

export const labelKeys = {
  namespace: namespaceLabel,
  namespaceName: "pcns.projectcalico.org/name",
  orchestrator: "projectcalico.org/orchestrator",
  serviceAccount: "projectcalico.org/serviceaccount",
  serviceAccountName: "pcsa.projectcalico.org/name",
} as const;

export const everything: Selector = { type: "all" };
export const inSomeNamespace: Selector = { type: "has", key: labelKeys.namespace };
export const inNamespace = (name: string): Selector => ({
  type: "equals",
  key: labelKeys.namespace,
  value: name,
});
export const isPod: Selector = { type: "equals", key: labelKeys.orchestrator, value: "k8s" };

/** All of them; `all()` adds nothing. */
export function both(...parts: readonly (Selector | undefined)[]): Selector {
  const operands: Selector[] = [];
  for (const part of parts) {
    if (part === undefined || part.type === "all") continue;
    if (part.type === "and") operands.push(...part.operands);
    else operands.push(part);
  }
  if (operands.length === 0) return everything;
  return operands.length === 1 ? (operands[0] as Selector) : { type: "and", operands };
}

/** A selector over a namespace's or service account's labels, as one over its endpoints' inherited labels. */
export function onInherited(selector: Selector, prefix: string): Selector {
  switch (selector.type) {
    case "all":
    case "global":
      return selector;
    case "not":
      return { type: "not", operand: onInherited(selector.operand, prefix) };
    case "and":
    case "or":
      return { type: selector.type, operands: selector.operands.map((part) => onInherited(part, prefix)) };
    default:
      return { ...selector, key: prefix + selector.key };
  }
}

/** `all()` means every namespace, `global()` what is in none. */
export function namespaces(selector: Selector): Selector {
  if (selector.type === "all") return inSomeNamespace;
  if (selector.type === "global") return selector;
  return both(inSomeNamespace, onInherited(selector, inherited.namespace));
}
