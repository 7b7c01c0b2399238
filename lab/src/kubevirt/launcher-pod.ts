import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Draft, Pod, VirtualMachineInstance, VirtualMachineInstanceMigration } from "@fairlead/api";
import { annotations, labels, unpausedCondition } from "./names.ts";

/** KubeVirt's default grace, in seconds, and what the pod gets on top of it. */
const defaultGrace = 30;
const podGrace = 30;

export function hostnameOf(vmi: VirtualMachineInstance): string {
  return (vmi.spec.hostname ?? vmi.metadata.name.split(".")[0]!).slice(0, 63);
}

/** The label value a VMI's name gets; long names are cut and told apart by a hash. */
export function vmiIdOf(name: string): string {
  if (name.length <= 63) return name;
  return `${name.slice(0, 54)}-${createHash("sha1").update(name).digest("hex").slice(0, 8)}`;
}

/**
 * The virt-launcher pod of a VMI; for a migration, its target pod. As in KubeVirt the owner is always the VMI, never the
 * migration, and a target inherits the VMI's labels, the stale name of the source's node among them.
 */
export function launcherPod(
  vmi: VirtualMachineInstance,
  migration?: VirtualMachineInstanceMigration,
): Draft<Pod> {
  const grace = vmi.spec.terminationGracePeriodSeconds ?? defaultGrace;
  const environment = [
    { name: "POD_UID", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
    { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    { name: "VMI_NAME", value: vmi.metadata.name },
    { name: "VMI_HOSTNAME", value: hostnameOf(vmi) },
    { name: "VMI_GRACE", value: String(grace) },
  ];
  return {
    metadata: {
      generateName: `virt-launcher-${vmi.metadata.name}-`,
      namespace: vmi.metadata.namespace!,
      labels: {
        ...vmi.metadata.labels,
        [labels.app]: "virt-launcher",
        [labels.createdBy]: vmi.metadata.uid!,
        [labels.vmName]: hostnameOf(vmi),
        [labels.vmiId]: vmiIdOf(vmi.metadata.name),
        ...(migration && { [labels.migrationJobUid]: migration.metadata.uid! }),
      },
      annotations: {
        ...inheritedAnnotations(vmi),
        [annotations.domain]: vmi.metadata.name,
        [annotations.unixTransport]: "true",
        [annotations.defaultContainer]: "compute",
        ...(migration && { [annotations.migrationJobName]: migration.metadata.name }),
      },
      ownerReferences: [
        {
          apiVersion: "kubevirt.io/v1",
          kind: "VirtualMachineInstance",
          name: vmi.metadata.name,
          uid: vmi.metadata.uid!,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      hostname: hostnameOf(vmi),
      ...(vmi.spec.subdomain && { subdomain: vmi.spec.subdomain }),
      restartPolicy: "Never",
      terminationGracePeriodSeconds: grace + podGrace,
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      readinessGates: [{ conditionType: unpausedCondition }],
      nodeSelector: {
        ...migration?.spec.addedNodeSelector,
        ...vmi.spec.nodeSelector,
        [labels.schedulable]: "true",
      },
      ...(migration && { affinity: awayFrom(vmi) }),
      containers: [
        {
          name: "compute",
          image: "virt-launcher",
          command: [process.execPath, join(import.meta.dirname, "launcher.ts")],
          env: environment,
        },
      ],
    },
  };
}

function inheritedAnnotations(vmi: VirtualMachineInstance): Record<string, string> {
  const kept = Object.entries(vmi.metadata.annotations ?? {}).filter(
    ([key]) => !key.startsWith("kubectl.kubernetes.io") && !key.endsWith("observed-api-version"),
  );
  return Object.fromEntries(kept);
}

/** A target must not land on a node that has a pod of the same VMI. */
function awayFrom(vmi: VirtualMachineInstance) {
  const term = {
    labelSelector: { matchLabels: { [labels.createdBy]: vmi.metadata.uid! } },
    topologyKey: "kubernetes.io/hostname",
  };
  return { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
}
