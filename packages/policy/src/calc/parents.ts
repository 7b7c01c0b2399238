import type { LabelParents, Labels } from "./labels.ts";

/** Labels of the namespaces and service accounts there are. */
export class Parents implements LabelParents {
  readonly #namespaces = new Map<string, Labels>();
  readonly #serviceAccounts = new Map<string, Labels>();

  setNamespace(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#namespaces.delete(name);
    else this.#namespaces.set(name, labels);
  }

  setServiceAccount(namespace: string, name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#serviceAccounts.delete(`${namespace}/${name}`);
    else this.#serviceAccounts.set(`${namespace}/${name}`, labels);
  }

  namespace(name: string): Labels | undefined {
    return this.#namespaces.get(name);
  }

  serviceAccount(namespace: string, name: string): Labels | undefined {
    return this.#serviceAccounts.get(`${namespace}/${name}`);
  }
}
