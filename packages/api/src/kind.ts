import type { Draft, KubernetesObject } from "./object.ts";
import type { Schema } from "./schema.ts";

/** What identifies a kind towards the API server. */
export interface KindNames {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  /** Whether status is written separately. */
  readonly hasStatus: boolean;
}

/**
 * A kind as a value: `T` is what reading gives, `D` what `create` accepts.
 * Take it from `kinds`, or make one for a resource of your own with `defineKind`.
 */
export interface ResourceKind<T = KubernetesObject, D = Draft<T>> extends KindNames {
  /** `v1` or `group/version`. */
  readonly apiVersion: string;
  /** Fairlead's own kinds have one; Kubernetes' and KubeVirt's are checked by their servers. */
  readonly schema?: Schema<T> | undefined;
  /** Never present: carries the type `D` accepts. */
  readonly draft?: (object: D) => void;
}

/** What a kind is made of: its names, its path, and its schema when it is ours. */
export interface KindOptions<T> {
  readonly group?: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced?: boolean;
  readonly shortNames?: readonly string[];
  readonly hasStatus?: boolean;
  readonly schema?: Schema<T>;
}

/** A kind without a schema, or one whose drafts look like its objects. */
export function defineKind<T, D = Draft<T>>(options: KindOptions<T>): ResourceKind<T, D> {
  const {
    group = "",
    version,
    kind,
    plural,
    namespaced = true,
    shortNames = [],
    hasStatus = false,
    schema,
  } = options;
  const apiVersion = group === "" ? version : `${group}/${version}`;
  return Object.freeze({
    group,
    version,
    apiVersion,
    kind,
    plural,
    singular: kind.toLowerCase(),
    namespaced,
    shortNames,
    hasStatus,
    schema,
  });
}

/** Path of a kind, of one namespace of it, or of one object. */
export function pathOf(
  kind: KindNames,
  ref: { readonly name?: string | undefined; readonly namespace?: string | undefined } = {},
): string {
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = ref.namespace === undefined ? "" : `/namespaces/${encodeURIComponent(ref.namespace)}`;
  const name = ref.name === undefined ? "" : `/${encodeURIComponent(ref.name)}`;
  return `${root}${scope}/${kind.plural}${name}`;
}
