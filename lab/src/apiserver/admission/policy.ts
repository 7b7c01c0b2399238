import type { Environment } from "@marcbachmann/cel-js";
import { kubernetesCel } from "../cel/environment.ts";
import { compile, type Expression, failure } from "../cel/expression.ts";
import { type Json, type JsonObject, listAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { Reason } from "../status.ts";

/** One validation of a policy: an expression that must hold, and what to say when it does not. */
export interface Validation {
  readonly source: string;
  readonly holds: Expression;
  readonly message: string;
  readonly messageExpression: Expression | undefined;
  readonly reason: Reason;
}

/** A ValidatingAdmissionPolicy made ready to be evaluated. */
export interface Policy {
  readonly name: string;
  readonly constraints: JsonObject | undefined;
  readonly paramKind: JsonObject | undefined;
  readonly ignoresFailure: boolean;
  readonly conditions: readonly { readonly name: string; readonly holds: Expression }[];
  readonly variables: ReadonlyMap<string, Expression>;
  readonly validations: readonly Validation[];
}

const names = ["object", "oldObject", "request", "namespaceObject", "params"];
const base: Environment = names.reduce(
  (all, name) => all.registerVariable(name, "dyn"),
  kubernetesCel.clone(),
);
const conditionBase: Environment = base.clone();
const evaluated: Environment = base.clone().registerVariable("variables", "dyn");

/** Told of each expression that does not compile: its field, its text and why. */
export type Complain = (field: string, expression: string, why: string) => void;

/** Compiles all expressions. One that does not compile fails whenever it is evaluated. */
export function compilePolicy(policy: KubeObject, complain: Complain): Policy {
  const spec = policy.spec as JsonObject;
  const fields: { [name: string]: string } = {};
  const declare = (): Environment =>
    base
      .clone()
      .registerType("Variables", { fields: { ...fields } })
      .registerVariable("variables", "Variables");
  const ready = (
    field: string,
    source: string,
    declared: Environment,
    result: "bool" | "string" | "any",
  ): Expression => {
    try {
      return compile(source, declared, evaluated, result);
    } catch (error) {
      complain(field, source, failure(error));
      return () => {
        throw error;
      };
    }
  };

  const conditions = listAt(spec, "matchConditions").map((condition, i) => ({
    name: stringAt(condition, "name") ?? "",
    holds: ready(
      `spec.matchConditions[${i}].expression`,
      textOf(condition, "expression"),
      conditionBase,
      "bool",
    ),
  }));
  const variables = new Map<string, Expression>();
  // A variable may use those before it.
  listAt(spec, "variables").forEach((variable, i) => {
    const name = textOf(variable, "name");
    variables.set(
      name,
      ready(`spec.variables[${i}].expression`, textOf(variable, "expression"), declare(), "any"),
    );
    fields[name] = "dyn";
  });
  const declared = declare();
  const validations = listAt(spec, "validations").map((validation, i): Validation => {
    const source = textOf(validation, "expression");
    const message = stringAt(validation, "messageExpression");
    const at = `spec.validations[${i}]`;
    return {
      source,
      holds: ready(`${at}.expression`, source, declared, "bool"),
      message: stringAt(validation, "message") ?? `failed expression: ${source.trim()}`,
      messageExpression: message ? ready(`${at}.messageExpression`, message, declared, "string") : undefined,
      reason: reasonOf(stringAt(validation, "reason")),
    };
  });
  return {
    name: policy.metadata.name,
    constraints: spec.matchConstraints as JsonObject | undefined,
    paramKind: spec.paramKind as JsonObject | undefined,
    ignoresFailure: spec.failurePolicy === "Ignore",
    conditions,
    variables,
    validations,
  };
}

const textOf = (value: Json, field: string): string => stringAt(value, field) ?? "";

function reasonOf(reason: string | undefined): Reason {
  return reason === "Unauthorized" || reason === "Forbidden" || reason === "RequestEntityTooLarge"
    ? reason
    : "Invalid";
}
