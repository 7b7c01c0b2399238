/** KubeVirt's labels, annotations and finalizers, as far as a network or a user can see them. */
export const labels = {
  app: "kubevirt.io",
  createdBy: "kubevirt.io/created-by",
  vmName: "vm.kubevirt.io/name",
  vmiId: "vmi.kubevirt.io/id",
  nodeName: "kubevirt.io/nodeName",
  migrationJobUid: "kubevirt.io/migrationJobUID",
  migrationTargetNode: "kubevirt.io/migrationTargetNodeName",
  vmiName: "kubevirt.io/vmi-name",
  schedulable: "kubevirt.io/schedulable",
} as const;

export const annotations = {
  migrationJobName: "kubevirt.io/migrationJobName",
  targetReady: "kubevirt.io/migration-target-ready-timestamp",
  domain: "kubevirt.io/domain",
  unixTransport: "kubevirt.io/migrationTransportUnix",
  defaultContainer: "kubectl.kubernetes.io/default-container",
  allowBridgeMigration: "kubevirt.io/allow-pod-bridge-network-live-migration",
  vmGeneration: "kubevirt.io/vm-generation",
  latestApi: "kubevirt.io/latest-observed-api-version",
  storageApi: "kubevirt.io/storage-observed-api-version",
  heartbeat: "kubevirt.io/heartbeat",
  evacuation: "kubevirt.io/evacuationMigration",
  nonRoot: "kubevirt.io/nonroot",
} as const;

export const finalizers = {
  vm: "kubevirt.io/virtualMachineControllerFinalize",
  vmi: "kubevirt.io/foregroundDeleteVirtualMachine",
  migration: "kubevirt.io/migrationJobFinalize",
} as const;

/** The readiness gate that keeps a migration target out of Services until the guest runs there. */
export const unpausedCondition = "kubevirt.io/virtual-machine-unpaused";
