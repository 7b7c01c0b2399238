import type { Environment } from "@marcbachmann/cel-js";
import type { Schema, ValidationRule } from "../schema/schema.ts";
import { kubernetesCel } from "./environment.ts";
import { compile, type Expression, failure } from "./expression.ts";
import { declareType } from "./types.ts";

export interface Rule {
  readonly source: ValidationRule;
  readonly holds: Expression;
  readonly message: Expression | undefined;
  /** Compares with what was there before: is asked only when there was something, or if it can do without. */
  readonly comparesOld: boolean;
}

/** The rules of a schema and of what is inside it. Undefined: there are none. */
export interface Rules {
  readonly schema: Schema;
  readonly isRoot: boolean;
  readonly own: readonly Rule[];
  readonly fields: ReadonlyMap<string, Rules>;
  readonly items: Rules | undefined;
  readonly values: Rules | undefined;
}

const evaluated: Environment = kubernetesCel
  .clone()
  .registerVariable("self", "dyn")
  .registerVariable("oldSelf", "dyn");
/** Told of each rule that does not compile, with the path of the rule in the schema. */
export type Complain = (path: string, rule: ValidationRule, why: string) => void;

/** Where in the schema, and whether the values there can be told to follow an older one. */
interface Place {
  readonly path: string;
  readonly isRoot: boolean;
  readonly follows: boolean;
}

/** Compiles every rule of a schema, once; one that does not compile is left out and complained about. */
export function compileRules(
  schema: Schema,
  complain: Complain,
  place: Place = { path: "", isRoot: true, follows: true },
): Rules | undefined {
  const { path, isRoot, follows } = place;
  const own = ownRules(schema, complain, place);
  const within = (part: string, stillFollows = follows): Place => ({
    path: path + part,
    isRoot: false,
    follows: stillFollows,
  });
  const fields = new Map<string, Rules>();
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const inner = compileRules(field, complain, within(`.properties[${name}]`));
    if (inner) fields.set(name, inner);
  }
  const items =
    schema.items &&
    compileRules(
      schema.items,
      complain,
      within(".items", follows && schema["x-kubernetes-list-type"] === "map"),
    );
  const rest = schema.additionalProperties;
  const values =
    typeof rest === "object" ? compileRules(rest, complain, within(".additionalProperties")) : undefined;
  if (own.length === 0 && fields.size === 0 && !items && !values) return undefined;
  return { schema, isRoot, own, fields, items, values };
}

function ownRules(schema: Schema, complain: Complain, { path, isRoot, follows }: Place): Rule[] {
  const sources = schema["x-kubernetes-validations"] ?? [];
  if (sources.length === 0) return [];
  const base = kubernetesCel.clone();
  const type = declareType(base, schema, isRoot);
  const required = base.clone().registerVariable("self", type).registerVariable("oldSelf", type);
  const optional = base
    .clone()
    .registerVariable("self", type)
    .registerVariable("oldSelf", `optional<${type}>`);
  return sources.flatMap((source, i): Rule[] => {
    const declared = source.optionalOldSelf ? optional : required;
    const comparesOld = /\boldSelf\b/.test(source.rule);
    try {
      if (comparesOld && !follows)
        throw new Error("oldSelf cannot be used within a list whose items have no keys");
      const message = source.messageExpression;
      return [
        {
          source,
          holds: compile(source.rule, declared, evaluated, "bool"),
          message: message === undefined ? undefined : compile(message, declared, evaluated, "string"),
          comparesOld,
        },
      ];
    } catch (error) {
      complain(`${path}.x-kubernetes-validations[${i}].rule`, source, failure(error));
      return [];
    }
  });
}
