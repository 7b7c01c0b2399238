import { compileSelectorOver, type LabelReader, type Selector } from "@fairlead/api";
import { inherited, labelKeys } from "../model/member-set.ts";

export type Labels = Readonly<Record<string, string>>;

/** Labels of namespaces and service accounts, which the endpoints in them inherit. */
export interface LabelParents {
  namespace(name: string): Labels | undefined;
  serviceAccount(namespace: string, name: string): Labels | undefined;
}

export interface Belonging {
  readonly namespace?: string | undefined;
  readonly serviceAccount?: string | undefined;
  readonly isPod: boolean;
}

/** What selectors look at: labels of its own, and those it has because of what it is and where it belongs. */
export interface Labelled {
  readonly labels: Labels;
  readonly inherited: Labels;
}

const inheritedKeys: ReadonlySet<string> = new Set([
  labelKeys.namespace,
  labelKeys.orchestrator,
  labelKeys.serviceAccount,
]);

/** Keys that are only ever inherited: a label of such a name on a pod itself is a pretence, and nobody looks at it. */
export function isInherited(key: string): boolean {
  return (
    key.startsWith(inherited.namespace) || key.startsWith(inherited.serviceAccount) || inheritedKeys.has(key)
  );
}

/** Labels of namespace and account under their prefixes, and what the endpoint is. All who belong to the same share them. */
export function inheritedLabels(belonging: Belonging, parents: LabelParents): Labels {
  const { namespace, serviceAccount, isPod } = belonging;
  const labels: Record<string, string> = {};
  if (isPod) labels[labelKeys.orchestrator] = "k8s";
  if (namespace === undefined) return labels;
  labels[labelKeys.namespace] = namespace;
  addPrefixed(labels, inherited.namespace, parents.namespace(namespace));
  labels[labelKeys.namespaceName] = namespace;
  if (serviceAccount === undefined) return labels;
  labels[labelKeys.serviceAccount] = serviceAccount;
  addPrefixed(labels, inherited.serviceAccount, parents.serviceAccount(namespace, serviceAccount));
  labels[labelKeys.serviceAccountName] = serviceAccount;
  return labels;
}

function addPrefixed(labels: Record<string, string>, prefix: string, parent: Labels | undefined): void {
  for (const [key, value] of Object.entries(parent ?? {})) labels[prefix + key] = value;
}

/** Reads one label, from where alone it can come. */
export function readerOf(key: string): LabelReader<Labelled> {
  return isInherited(key) ? ({ inherited }) => textOf(inherited, key) : ({ labels }) => textOf(labels, key);
}

/** Labels are plain objects: `constructor` is none. */
export function textOf(labels: Labels, key: string): string | undefined {
  const text: unknown = labels[key];
  return typeof text === "string" ? text : undefined;
}

export type Selects = (subject: Labelled) => boolean;

export function compile(selector: Selector): Selects {
  return compileSelectorOver(selector, readerOf);
}

export function sameLabels(a: Labels, b: Labels): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
