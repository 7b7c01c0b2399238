import { inherited, labelKeys } from "../model/member-set.ts";

type Labels = Readonly<Record<string, string>>;

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

/**
 * An endpoint's labels as selectors see them: its own, those of its namespace and account under a prefix, and what it is. What is
 * derived always wins: a label of the same name on a pod is a pretence.
 */
export function effectiveLabels(own: Labels, belonging: Belonging, parents: LabelParents): Labels {
  const { namespace, serviceAccount, isPod } = belonging;
  const labels: Record<string, string> = { ...own };
  for (const key of Object.keys(own)) {
    if (key.startsWith(inherited.namespace) || key.startsWith(inherited.serviceAccount)) delete labels[key];
  }
  for (const key of [labelKeys.namespace, labelKeys.orchestrator, labelKeys.serviceAccount])
    delete labels[key];
  if (isPod) labels[labelKeys.orchestrator] = "k8s";
  if (namespace === undefined) return labels;
  labels[labelKeys.namespace] = namespace;
  addInherited(labels, inherited.namespace, parents.namespace(namespace));
  labels[labelKeys.namespaceName] = namespace;
  if (serviceAccount === undefined) return labels;
  labels[labelKeys.serviceAccount] = serviceAccount;
  addInherited(labels, inherited.serviceAccount, parents.serviceAccount(namespace, serviceAccount));
  labels[labelKeys.serviceAccountName] = serviceAccount;
  return labels;
}

function addInherited(labels: Record<string, string>, prefix: string, parent: Labels | undefined): void {
  for (const [key, value] of Object.entries(parent ?? {})) labels[prefix + key] = value;
}
