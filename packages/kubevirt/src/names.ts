/** The one API version KubeVirt writes into owner references. */
export const apiVersion = "kubevirt.io/v1";

/** UID of the migration a pod was created for, as a target. Never removed, so it outlives the migration. */
export const migrationUidLabel = "kubevirt.io/migrationJobUID";

/** Name of that migration. A hint where to look, nothing more. */
export const migrationNameAnnotation = "kubevirt.io/migrationJobName";
