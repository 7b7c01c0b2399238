import { z } from "zod";
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
    const { spec, status } = this.definition;
    const shell = z.looseObject({
      apiVersion: z.literal(this.#names.apiVersion).prefault(this.#names.apiVersion),
      kind: z.literal(this.#names.kind).prefault(this.#names.kind),
      metadata: z.looseObject({ name: z.string().optional(), generateName: z.string().optional() }),
    });
    const outer = shell.safeParse(object);
    if (!outer.success) return { ok: false, problems: outer.error.issues.map((issue) => problemOf(issue)) };
    const problems: Problem[] = this.#checkName(outer.data.metadata.name);
    const parsedSpec = spec.safeParse(outer.data.spec ?? {});
    if (!parsedSpec.success)
      problems.push(...parsedSpec.error.issues.map((issue) => problemOf(issue, "spec")));
    const parsedStatus = outer.data.status === undefined ? undefined : status?.safeParse(outer.data.status);
    if (parsedStatus?.success === false)
      problems.push(...parsedStatus.error.issues.map((issue) => problemOf(issue, "status")));
    if (problems.length > 0) return { ok: false, problems };
    const sound = { ...outer.data, spec: parsedSpec.data } as unknown as Resource<Spec, Status>;
    if (parsedStatus?.success) sound.status = parsedStatus.data;
    return { ok: true, object: sound };
  }

  #checkName(name: string | undefined): Problem[] {
    const { onlyNames, nameRemedy } = this.definition;
    if (!onlyNames || (name !== undefined && onlyNames.includes(name))) return [];
    const message =
      `Cannot create an ${this.#names.kind} resource with a name other than ` +
      onlyNames.map((only) => `"${only}"`).join(" or ");
    return [
      { field: "metadata.name", message, remedy: nameRemedy ?? `Use the name ${onlyNames.join(" or ")}.` },
    ];
  }
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
