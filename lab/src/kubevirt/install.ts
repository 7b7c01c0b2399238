import {
  type ApiClient,
  ApiError,
  type Draft,
  defineKind,
  type KubernetesObject,
  kinds,
  type ResourceKind,
} from "@fairlead/api";
import { kubevirtCrds } from "./crds.ts";
import { componentNamespace } from "./names.ts";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}
interface ClusterRole extends KubernetesObject {
  rules: readonly Rule[];
}
interface ClusterRoleBinding extends KubernetesObject {
  roleRef: { apiGroup: string; kind: string; name: string };
  subjects: { kind: string; name: string; namespace?: string }[];
}

const rbac = { group: "rbac.authorization.k8s.io", version: "v1", namespaced: false };
const clusterRoles = defineKind<ClusterRole>({ ...rbac, kind: "ClusterRole", plural: "clusterroles" });
const clusterRoleBindings = defineKind<ClusterRoleBinding>({
  ...rbac,
  kind: "ClusterRoleBinding",
  plural: "clusterrolebindings",
});

const read = ["get", "list", "watch"];
const all = [...read, "create", "update", "patch", "delete"];
const kubevirt = ["kubevirt.io"];

/** What the stand-in's components may do; less than KubeVirt's own, and enforced. */
export const componentRules: Readonly<Record<"virt-controller" | "virt-handler", readonly Rule[]>> = {
  "virt-controller": [
    { apiGroups: kubevirt, resources: ["*"], verbs: all },
    { apiGroups: [""], resources: ["pods", "pods/status"], verbs: all },
    { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
  ],
  "virt-handler": [
    { apiGroups: kubevirt, resources: ["virtualmachineinstances"], verbs: [...read, "update", "patch"] },
    { apiGroups: [""], resources: ["pods"], verbs: read },
    { apiGroups: [""], resources: ["nodes"], verbs: [...read, "patch"] },
    { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
  ],
};

/** What KubeVirt grants users by aggregation, here as two plain roles. */
const userRules: Readonly<Record<string, readonly Rule[]>> = {
  "kubevirt.io:view": [{ apiGroups: kubevirt, resources: ["*"], verbs: read }],
  "kubevirt.io:migrate": [
    {
      apiGroups: kubevirt,
      resources: ["virtualmachineinstancemigrations"],
      verbs: [...all, "deletecollection"],
    },
  ],
};

/** Puts definitions, roles, service accounts and the KubeVirt object into a cluster. What exists is left as it is. */
export async function installKubevirt(client: ApiClient): Promise<void> {
  for (const crd of kubevirtCrds()) await ensure(client, kinds.CustomResourceDefinition, crd);
  await ensure(client, kinds.Namespace, { metadata: { name: componentNamespace } });
  for (const [name, rules] of Object.entries({ ...userRules })) {
    await ensure(client, clusterRoles, { metadata: { name }, rules });
  }
  for (const [name, rules] of Object.entries(componentRules)) {
    await ensure(client, kinds.ServiceAccount, { metadata: { name, namespace: componentNamespace } });
    await ensure(client, clusterRoles, { metadata: { name: `kubevirt-${name}` }, rules });
    await ensure(client, clusterRoleBindings, {
      metadata: { name: `kubevirt-${name}` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: `kubevirt-${name}` },
      subjects: [{ kind: "ServiceAccount", name, namespace: componentNamespace }],
    });
  }
  const installation = { name: "kubevirt", namespace: componentNamespace };
  await ensure(client, kinds.KubeVirt, { metadata: installation, spec: {} });
  const status = { phase: "Deployed", observedKubeVirtVersion: "v1.9.0" };
  await client.patch(kinds.KubeVirt, installation, { status }, { type: "merge", subresource: "status" });
}

/** A definition just created takes a moment until its resource is served. */
const servingDeadlineMs = 10_000;

async function ensure<T, D = Draft<T>>(
  client: ApiClient,
  kind: ResourceKind<T, D>,
  object: NoInfer<D>,
): Promise<void> {
  const deadline = Date.now() + servingDeadlineMs;
  for (;;) {
    try {
      await client.create(kind, object);
      return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "AlreadyExists") return;
      if (error.code !== "NotFound" || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
