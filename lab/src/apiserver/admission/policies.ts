import { type JsonObject, listAt, objectAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { Api, Attempt } from "../rest/api.ts";
import { matchLabelSelector } from "../selectors/labels.ts";
import { forbidden, StatusError } from "../status.ts";
import { attemptVariables } from "./attempt.ts";
import { judge, type Objection } from "./judge.ts";
import { matches } from "./match.ts";
import { compilePolicy, type Policy } from "./policy.ts";

const group = "admissionregistration.k8s.io";
const policies = `${group}/validatingadmissionpolicies`;
const bindings = `${group}/validatingadmissionpolicybindings`;

/** Asks the ValidatingAdmissionPolicies in the store about every write, through their bindings. */
export class Policies {
  readonly #api: Api;
  /** Stored objects are replaced, never changed: what was compiled of one stays true. */
  readonly #compiled = new WeakMap<KubeObject, Policy>();

  constructor(api: Api) {
    this.#api = api;
  }

  /** Throws the first objection of a binding that denies; adds those of bindings that warn to the call's warnings. */
  review(attempt: Attempt): void {
    const bound = this.#api.store.collection(bindings);
    // Otherwise nobody could mend a policy that refuses everything.
    if (bound.size === 0 || attempt.call.resource.group === group) return;
    let variables: ReturnType<typeof attemptVariables> | undefined;
    for (const { object: binding } of bound.sorted()) {
      const spec = objectAt(binding, "spec") ?? {};
      const source = this.#api.get(policies, "", stringAt(spec, "policyName") ?? "");
      const policy = source && this.#policy(source);
      if (!policy || !matches(this.#api, policy.constraints, attempt)) continue;
      if (!matches(this.#api, objectAt(spec, "matchResources"), attempt)) continue;
      variables ??= attemptVariables(this.#api, attempt);
      for (const params of this.#params(policy, spec, attempt)) {
        const objections = params instanceof StatusError ? missing(params) : judge(policy, variables, params);
        react(attempt, policy, binding, objections);
      }
    }
  }

  #policy(source: KubeObject): Policy {
    let policy = this.#compiled.get(source);
    if (policy === undefined) {
      policy = compilePolicy(source, () => {});
      this.#compiled.set(source, policy);
    }
    return policy;
  }

  /** The objects a policy is evaluated with, once each; a policy without parameters is evaluated once. */
  #params(
    policy: Policy,
    spec: JsonObject,
    { call }: Attempt,
  ): readonly (KubeObject | StatusError | undefined)[] {
    const reference = objectAt(spec, "paramRef");
    const { apiVersion, kind } = policy.paramKind ?? {};
    if (!policy.paramKind || !reference) return [undefined];
    const resource = this.#api.registry.findGvk(String(apiVersion), String(kind));
    const namespace = stringAt(reference, "namespace") ?? call.namespace;
    const name = stringAt(reference, "name");
    const selected = matchLabelSelector(reference.selector);
    const found = !resource
      ? []
      : this.#api
          .list(resource.storage, resource.namespaced ? namespace : undefined)
          .filter(({ metadata }) =>
            name === undefined ? selected(metadata.labels ?? {}) : metadata.name === name,
          );
    if (found.length > 0) return found;
    if (stringAt(reference, "parameterNotFoundAction") === "Allow" || policy.ignoresFailure) return [];
    return [
      new StatusError("NotFound", `no params found for policy binding with \`Deny\` parameterNotFoundAction`),
    ];
  }
}

const missing = ({ message }: StatusError): Objection[] => [
  { reason: "Invalid", message: `failed to configure binding: ${message}` },
];

function react(
  { call, object, oldObject }: Attempt,
  policy: Policy,
  binding: KubeObject,
  objections: readonly Objection[],
): void {
  const [first] = objections;
  if (first === undefined) return;
  const actions = listAt(binding, "spec", "validationActions");
  const by = `ValidatingAdmissionPolicy '${policy.name}' with binding '${binding.metadata.name}'`;
  if (actions.includes("Warn"))
    for (const { message } of objections) call.warnings.push(`Validation failed for ${by}: ${message}`);
  if (!actions.includes("Deny")) return;
  const why = `${by} denied request: ${first.message}`;
  const name = call.name || ((object ?? oldObject)?.metadata.name ?? "");
  const { message, details } = forbidden(call.resource, name, why);
  throw new StatusError(first.reason, message, { ...details, causes: [{ message: why }] });
}
