import type {
  Draft,
  KubernetesObject,
  ObjectRef,
  Pod,
  ResourceKind,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from "@fairlead/api";

/** One write to the API server. */
export type Write =
  /** Conditional on the revision that was read. */
  | { readonly do: "replace"; readonly kind: AnyKind; readonly object: KubernetesObject }
  | { readonly do: "replaceStatus"; readonly kind: AnyKind; readonly object: KubernetesObject }
  /** JSON patch. */
  | {
      readonly do: "patch";
      readonly kind: AnyKind;
      readonly ref: ObjectRef;
      readonly operations: readonly PatchOperation[];
      readonly subresource?: "status";
    }
  | { readonly do: "createPod"; readonly pod: Draft<Pod> }
  | { readonly do: "createVmi"; readonly vmi: Draft<VirtualMachineInstance> }
  | { readonly do: "createMigration"; readonly migration: Draft<VirtualMachineInstanceMigration> }
  | { readonly do: "delete"; readonly kind: AnyKind; readonly ref: ObjectRef; readonly uid: string }
  | {
      readonly do: "event";
      readonly about: KubernetesObject;
      readonly type: "Normal" | "Warning";
      readonly reason: string;
      readonly message: string;
    };

export type AnyKind = ResourceKind<KubernetesObject, never>;

export interface PatchOperation {
  readonly op: "add" | "replace" | "remove" | "test";
  readonly path: string;
  readonly value?: unknown;
}

/** What a controller makes of what it read: writes in order, and when to look again if nothing else happens. */
export interface Decision {
  readonly writes: readonly Write[];
  /** Milliseconds. */
  readonly again?: number;
}

export const nothing: Decision = { writes: [] };
export const decide = (...writes: readonly Write[]): Decision => ({ writes });

export const event = (
  about: KubernetesObject,
  reason: string,
  message: string,
  type: "Normal" | "Warning" = "Normal",
): Write => ({ do: "event", about, type, reason, message });

/** A key inside a JSON pointer. Source: RFC 6901. */
export const pointer = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");

export const refOf = (object: KubernetesObject): ObjectRef => ({
  name: object.metadata.name,
  ...(object.metadata.namespace !== undefined && { namespace: object.metadata.namespace }),
});
