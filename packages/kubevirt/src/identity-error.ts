/** Why a pod that says it belongs to a VM is not believed. */
export type IdentityErrorCode =
  | "InvalidOwnerReference"
  | "UnsupportedVersion"
  | "InstanceNotFound"
  | "InstanceMismatch"
  | "NotActivePod"
  | "MigrationNotFound"
  | "MigrationMismatch";

/** What to do next, per code. Part of every message. */
export const remedies: Readonly<Record<IdentityErrorCode, string>> = {
  InvalidOwnerReference: "Only KubeVirt may write this owner reference; find out who created the pod.",
  UnsupportedVersion: "Upgrade Fairlead to a version that knows this version of the KubeVirt API.",
  InstanceNotFound: "The VM was stopped while its pod started: nothing to do, KubeVirt removes the pod.",
  InstanceMismatch: "The pod belongs to an earlier run of the VM: nothing to do, KubeVirt removes the pod.",
  NotActivePod: "KubeVirt does not know this pod as one of the VM's: find out who created it.",
  MigrationNotFound: "The migration was removed while its target pod started; KubeVirt removes the pod.",
  MigrationMismatch: "The pod claims a migration that is not its own: find out who created it.",
};

/** A pod whose claim to be a VM's is refused. It must get no VM's address. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
  readonly code: IdentityErrorCode;
  /** `namespace/name` of the pod. */
  readonly pod: string;
  readonly remedy: string;

  constructor(code: IdentityErrorCode, pod: string, message: string) {
    super(`pod ${pod}: ${message} (${code}). ${remedies[code]}`);
    this.code = code;
    this.pod = pod;
    this.remedy = remedies[code];
  }
}
