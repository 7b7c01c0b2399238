import type { z } from "zod";
import type { PrinterColumn } from "../core/custom-resource-definition.ts";
import { defineKind, type KindOptions, type ResourceKind } from "../kind.ts";
import type { DraftMeta, KubernetesObject } from "../object.ts";
import type { Checked, Problem, Schema } from "../schema.ts";
import { problemOf } from "./problem.ts";

/** An object with a checked spec: what reading gives. */
export interface Resource<Spec extends z.ZodType, Status extends z.ZodType = z.ZodNever>
  extends KubernetesObject {
  spec: z.output<Spec>;
  status?: z.output<Status>;
}

/** The same before defaults are filled in: what `create` takes and what a manifest holds. */
export interface ResourceDraft<Spec extends z.ZodType, Status extends z.ZodType = z.ZodNever> {
  apiVersion?: string;
  kind?: string;
  metadata: DraftMeta;
  spec: z.input<Spec>;
  status?: z.input<Status>;
}

/** A rule over the whole object that the API server can check itself. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
}

export interface ResourceDefinition<Spec extends z.ZodType, Status extends z.ZodType> {
  readonly spec: Spec;
  readonly status?: Status;
  readonly description: string;
  readonly columns?: readonly PrinterColumn[];
  readonly categories?: readonly string[];
  /** The only names this kind may have. */
  readonly onlyNames?: readonly string[];
  readonly nameRemedy?: string;
  readonly rules?: readonly CelRule[];
  /** The server keeps fields of the spec that the schema does not name. */
  readonly keepsUnknownFields?: boolean;
}

/** The schema of one of Fairlead's own kinds: checks objects, and is what the CRD is generated from. */
export class ResourceSchema<Spec extends z.ZodType, Status extends z.ZodType = z.ZodNever>
  implements Schema<Resource<Spec, Status>>
{
  readonly definition: ResourceDefinition<Spec, Status>;
  readonly #names: { readonly apiVersion: string; readonly kind: string };

  constructor(names: { apiVersion: string; kind: string }, definition: ResourceDefinition<Spec, Status>) {
    this.#names = names;
    this.definition = definition;
  }

  check(object: unknown): Checked<Resource<Spec, Status>> {
    if (!isRecord(object) || !isRecord(object.metadata)) return { ok: false, problems: [notAnObject] };
    const { apiVersion, kind } = this.#names;
    const problems: Problem[] = [
      ...this.#checkText("apiVersion", object.apiVersion, apiVersion),
      ...this.#checkText("kind", object.kind, kind),
      ...this.#checkName(object.metadata.name),
    ];
    const { spec, status } = this.definition;
    const parsedSpec = spec.safeParse(object.spec ?? {});
    if (!parsedSpec.success)
      problems.push(...parsedSpec.error.issues.map((issue) => problemOf(issue, "spec")));
    const parsedStatus = object.status === undefined ? undefined : status?.safeParse(object.status);
    if (parsedStatus?.success === false)
      problems.push(...parsedStatus.error.issues.map((issue) => problemOf(issue, "status")));
    if (problems.length > 0) return { ok: false, problems };
    const sound = { ...object, apiVersion, kind, spec: parsedSpec.data } as unknown as Resource<Spec, Status>;
    if (parsedStatus?.success) sound.status = parsedStatus.data;
    return { ok: true, object: sound };
  }

  /** Items of a list may leave both out. */
  #checkText(field: string, actual: unknown, expected: string): Problem[] {
    if (actual === undefined || actual === expected) return [];
    return [{ field, message: `is not ${expected}`, remedy: `Write ${expected}.` }];
  }

  #checkName(name: unknown): Problem[] {
    const { onlyNames, nameRemedy } = this.definition;
    if (!onlyNames || (typeof name === "string" && onlyNames.includes(name))) return [];
    const message =
      `Cannot create an ${this.#names.kind} resource with a name other than ` +
      onlyNames.map((only) => `"${only}"`).join(" or ");
    return [
      { field: "metadata.name", message, remedy: nameRemedy ?? `Use the name ${onlyNames.join(" or ")}.` },
    ];
  }
}

const notAnObject: Problem = {
  field: "",
  message: "not a Kubernetes object",
  remedy: "Write an object with apiVersion, kind, metadata and spec.",
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Declares a kind of our own from its schema. */
export function defineResource<Spec extends z.ZodType, Status extends z.ZodType = z.ZodNever>(
  options: Omit<KindOptions<never>, "schema" | "hasStatus"> & ResourceDefinition<Spec, Status>,
): ResourceKind<Resource<Spec, Status>, ResourceDraft<Spec, Status>> & {
  schema: ResourceSchema<Spec, Status>;
} {
  const { group, version, kind, plural, namespaced, shortNames, ...definition } = options;
  const names = { apiVersion: `${group}/${version}`, kind };
  const schema = new ResourceSchema<Spec, Status>(names, definition);
  const defined = defineKind<Resource<Spec, Status>, ResourceDraft<Spec, Status>>({
    ...(group === undefined ? {} : { group }),
    version,
    kind,
    plural,
    ...(namespaced === undefined ? {} : { namespaced }),
    ...(shortNames === undefined ? {} : { shortNames }),
    hasStatus: definition.status !== undefined,
    schema,
  });
  return { ...defined, schema };
}
