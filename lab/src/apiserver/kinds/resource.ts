import type { KubeObject } from "../objects.ts";
import type { Schema } from "../schema/schema.ts";
import type { FieldError } from "../status.ts";
import type { NameRule } from "./names.ts";

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";
export const allVerbs: readonly Verb[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];

/** A printed column: a JSON path, or a function for what a path cannot say. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description?: string;
  /** 0 is always shown, above 0 only with `-o wide`. */
  readonly priority?: number;
  readonly jsonPath?: string;
  readonly cell?: (object: KubeObject, now: number) => string | number | bigint | boolean | null;
}

export interface ScalePaths {
  readonly specReplicas: string;
  readonly statusReplicas: string;
  readonly labelSelector?: string;
}

/** What a kind does beyond what its schema says. All functions change or judge the new object in place. */
export interface Strategy {
  readonly prepareCreate?: (object: KubeObject, world: World) => void;
  readonly prepareUpdate?: (object: KubeObject, old: KubeObject) => void;
  readonly validate?: (object: KubeObject, old?: KubeObject) => FieldError[];
  readonly validateUpdate?: (object: KubeObject, old: KubeObject) => FieldError[];
  /** Sent with the answer to whoever writes such an object. */
  readonly warnings?: (object: KubeObject) => string[];
  /** Seconds between the request to delete and the removal; 0 removes at once. */
  readonly gracePeriod?: (object: KubeObject, requested: number | undefined) => number;
  /** The deletion is finished by a controller through the `finalize` subresource (namespaces). */
  readonly finalizesItself?: boolean;
  readonly afterWrite?: (object: KubeObject) => void;
  readonly afterRemove?: (object: KubeObject) => void;
}

/** What a strategy may know of the rest of the cluster. */
export interface World {
  now(): number;
  get(resource: string, namespace: string, name: string): KubeObject | undefined;
  list(resource: string, namespace?: string): readonly KubeObject[];
}

/** One resource in one served version. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  readonly nameRule: NameRule;
  /** Fields of the object that a status write changes; undefined without a status subresource. */
  readonly hasStatus: boolean;
  readonly scale?: ScalePaths;
  readonly custom: boolean;
  /** An update without resourceVersion is accepted. */
  readonly unconditionalUpdate: boolean;
  /** PUT of a name that does not exist creates it. */
  readonly createOnUpdate: boolean;
  readonly selectableFields: readonly string[];
  readonly columns: readonly Column[];
  readonly strategy: Strategy;
  /** Where objects are kept: `group/plural`, the same for all versions. */
  readonly storage: string;
  /** More subresources a client can discover: name, kind and verbs. */
  readonly subresources: readonly Subresource[];
  schema(): Schema;
}

export interface Subresource {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

export const apiVersionOf = (resource: { readonly group: string; readonly version: string }): string =>
  resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
