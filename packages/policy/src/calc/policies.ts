import { labelKeys } from "../model/member-set.ts";
import type { MemberSet, PolicyModel } from "../model/policy.ts";
import { put, take } from "./buckets.ts";
import { compile, type Selects } from "./labels.ts";

/** A policy, and whom on this node it applies to. */
export interface Policy {
  readonly model: PolicyModel;
  readonly selects: Selects;
  /** The only namespace in which it can apply, if there is one. */
  readonly namespace: string | undefined;
  /** Local endpoints it applies to. */
  readonly endpoints: Set<string>;
}

export function policyOf(model: PolicyModel): Policy {
  return {
    model,
    selects: compile(model.subject),
    namespace: namespaceOf(model),
    endpoints: new Set(),
  };
}

/** Policies by key, and by the namespace in which they can apply. */
export class Policies {
  readonly #byKey = new Map<string, Policy>();
  readonly #in = new Map<string, Set<Policy>>();
  readonly #anywhere = new Set<Policy>();

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Policy | undefined {
    return this.#byKey.get(key);
  }

  values(): Iterable<Policy> {
    return this.#byKey.values();
  }

  put(policy: Policy): void {
    this.delete(policy.model.key);
    this.#byKey.set(policy.model.key, policy);
    if (policy.namespace === undefined) this.#anywhere.add(policy);
    else put(this.#in, policy.namespace, policy);
  }

  delete(key: string): void {
    const policy = this.#byKey.get(key);
    if (policy === undefined) return;
    this.#byKey.delete(key);
    if (policy.namespace === undefined) this.#anywhere.delete(policy);
    else take(this.#in, policy.namespace, policy);
  }

  /** Those that can apply in a namespace, or to what is in none. */
  *candidates(namespace: string | undefined): Generator<Policy> {
    if (namespace !== undefined) yield* this.#in.get(namespace) ?? [];
    yield* this.#anywhere;
  }
}

function namespaceOf({ subject }: PolicyModel): string | undefined {
  for (const part of subject.type === "and" ? subject.operands : [subject]) {
    if (part.type === "equals" && part.key === labelKeys.namespace) return part.value;
  }
  return undefined;
}

const setsByModel = new WeakMap<PolicyModel, readonly MemberSet[]>();

/** The sets a policy's rules look into, each once. */
export function setsOf(model: PolicyModel): readonly MemberSet[] {
  const known = setsByModel.get(model);
  if (known !== undefined) return known;
  const found = new Map<string, MemberSet>();
  for (const rule of [...model.ingress, ...model.egress]) {
    for (const side of [rule.source, rule.destination]) {
      for (const set of [...(side.sets ?? []), ...(side.notSets ?? [])]) found.set(set.key, set);
      for (const port of [...(side.ports ?? []), ...(side.notPorts ?? [])]) {
        if ("named" in port) found.set(port.named.key, port.named);
      }
    }
  }
  const sets = [...found.values()];
  setsByModel.set(model, sets);
  return sets;
}
