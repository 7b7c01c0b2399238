import { model } from "../schema/models.ts";
import type { Schema } from "../schema/schema.ts";
import { builtinColumns, defaultColumns } from "../table/columns.ts";
import type { NameRule } from "./names.ts";
import {
  allVerbs,
  apiVersionOf,
  type Resource,
  type ScalePaths,
  type Subresource,
  type Verb,
} from "./resource.ts";
import { strategies } from "./strategies.ts";

interface Row {
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  /** Class of the client library that describes the kind. Default `V1` + kind. */
  readonly model?: string;
  readonly plural: string;
  readonly short?: readonly string[];
  readonly categories?: readonly string[];
  readonly cluster?: true;
  readonly status?: true;
  readonly scale?: ScalePaths;
  readonly name?: NameRule;
  readonly fields?: readonly string[];
  readonly createOnUpdate?: true;
  readonly verbs?: readonly Verb[];
  readonly subresources?: readonly Subresource[];
}

const replicas: ScalePaths = {
  specReplicas: ".spec.replicas",
  statusReplicas: ".status.replicas",
  labelSelector: ".status.selector",
};
const apps = { group: "apps", status: true, categories: ["all"] } as const;
const rbac = { group: "rbac.authorization.k8s.io", name: "path" } as const;
const admission = {
  group: "admissionregistration.k8s.io",
  cluster: true,
  categories: ["api-extensions"],
} as const;
const review = { cluster: true, verbs: ["create"] } as const;
const eventFields = [
  "involvedObject.kind",
  "involvedObject.namespace",
  "involvedObject.name",
  "involvedObject.uid",
  "involvedObject.apiVersion",
  "involvedObject.resourceVersion",
  "involvedObject.fieldPath",
  "reason",
  "reportingComponent",
  "source",
  "type",
];

/** Every built-in resource of the lab's API server. */
const rows: readonly Row[] = [
  {
    kind: "Pod",
    plural: "pods",
    short: ["po"],
    categories: ["all"],
    status: true,
    fields: [
      "spec.nodeName",
      "spec.restartPolicy",
      "spec.schedulerName",
      "spec.serviceAccountName",
      "spec.hostNetwork",
      "status.phase",
      "status.podIP",
      "status.nominatedNodeName",
    ],
    subresources: [
      { name: "binding", kind: "Binding", verbs: ["create"] },
      { name: "eviction", kind: "Eviction", group: "policy", version: "v1", verbs: ["create"] },
      { name: "ephemeralcontainers", kind: "Pod", verbs: ["get", "patch", "update"] },
    ],
  },
  {
    kind: "Node",
    plural: "nodes",
    short: ["no"],
    cluster: true,
    status: true,
    fields: ["spec.unschedulable"],
  },
  {
    kind: "Namespace",
    plural: "namespaces",
    short: ["ns"],
    cluster: true,
    status: true,
    name: "label",
    fields: ["status.phase"],
    verbs: allVerbs.filter((verb) => verb !== "deletecollection"),
    subresources: [{ name: "finalize", kind: "Namespace", verbs: ["update"] }],
  },
  {
    kind: "Service",
    plural: "services",
    short: ["svc"],
    categories: ["all"],
    status: true,
    name: "label",
    fields: ["spec.clusterIP", "spec.type"],
  },
  {
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    short: ["sa"],
    subresources: [
      {
        name: "token",
        kind: "TokenRequest",
        group: "authentication.k8s.io",
        version: "v1",
        verbs: ["create"],
      },
    ],
  },
  { kind: "Secret", plural: "secrets", fields: ["type"] },
  { kind: "ConfigMap", plural: "configmaps", short: ["cm"] },
  {
    kind: "Event",
    model: "CoreV1Event",
    plural: "events",
    short: ["ev"],
    fields: eventFields,
    createOnUpdate: true,
  },
  { kind: "Endpoints", plural: "endpoints", short: ["ep"], createOnUpdate: true },
  { kind: "PersistentVolume", plural: "persistentvolumes", short: ["pv"], cluster: true, status: true },
  { kind: "PersistentVolumeClaim", plural: "persistentvolumeclaims", short: ["pvc"], status: true },
  { kind: "LimitRange", plural: "limitranges", short: ["limits"] },
  { kind: "ResourceQuota", plural: "resourcequotas", short: ["quota"], status: true },
  { ...apps, kind: "Deployment", plural: "deployments", short: ["deploy"], scale: replicas },
  {
    ...apps,
    kind: "ReplicaSet",
    plural: "replicasets",
    short: ["rs"],
    scale: replicas,
    fields: ["status.replicas"],
  },
  { ...apps, kind: "DaemonSet", plural: "daemonsets", short: ["ds"] },
  { group: "coordination.k8s.io", kind: "Lease", plural: "leases", createOnUpdate: true },
  { group: "discovery.k8s.io", kind: "EndpointSlice", plural: "endpointslices" },
  {
    group: "events.k8s.io",
    kind: "Event",
    model: "EventsV1Event",
    plural: "events",
    short: ["ev"],
    createOnUpdate: true,
  },
  { group: "networking.k8s.io", kind: "NetworkPolicy", plural: "networkpolicies", short: ["netpol"] },
  {
    group: "policy",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    short: ["pdb"],
    status: true,
  },
  { ...rbac, kind: "Role", plural: "roles" },
  { ...rbac, kind: "RoleBinding", plural: "rolebindings" },
  { ...rbac, kind: "ClusterRole", plural: "clusterroles", cluster: true },
  { ...rbac, kind: "ClusterRoleBinding", plural: "clusterrolebindings", cluster: true },
  {
    group: "apiextensions.k8s.io",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    short: ["crd", "crds"],
    categories: ["api-extensions"],
    cluster: true,
    status: true,
  },
  {
    group: "apiregistration.k8s.io",
    kind: "APIService",
    plural: "apiservices",
    categories: ["api-extensions"],
    cluster: true,
    status: true,
  },
  {
    group: "scheduling.k8s.io",
    kind: "PriorityClass",
    plural: "priorityclasses",
    short: ["pc"],
    cluster: true,
  },
  { group: "storage.k8s.io", kind: "StorageClass", plural: "storageclasses", short: ["sc"], cluster: true },
  { ...admission, kind: "ValidatingAdmissionPolicy", plural: "validatingadmissionpolicies", status: true },
  { ...admission, kind: "ValidatingAdmissionPolicyBinding", plural: "validatingadmissionpolicybindings" },
  { ...admission, kind: "ValidatingWebhookConfiguration", plural: "validatingwebhookconfigurations" },
  { ...admission, kind: "MutatingWebhookConfiguration", plural: "mutatingwebhookconfigurations" },
  { ...review, group: "authentication.k8s.io", kind: "TokenReview", plural: "tokenreviews" },
  { ...review, group: "authentication.k8s.io", kind: "SelfSubjectReview", plural: "selfsubjectreviews" },
  { ...review, group: "authorization.k8s.io", kind: "SubjectAccessReview", plural: "subjectaccessreviews" },
  {
    ...review,
    group: "authorization.k8s.io",
    kind: "SelfSubjectAccessReview",
    plural: "selfsubjectaccessreviews",
  },
  {
    ...review,
    group: "authorization.k8s.io",
    kind: "SelfSubjectRulesReview",
    plural: "selfsubjectrulesreviews",
  },
  {
    verbs: ["create"],
    group: "authorization.k8s.io",
    kind: "LocalSubjectAccessReview",
    plural: "localsubjectaccessreviews",
  },
];

function build(row: Row): Resource {
  const group = row.group ?? "";
  const version = row.version ?? "v1";
  const name = `${group}/${row.kind}`;
  return {
    group,
    version,
    kind: row.kind,
    listKind: `${row.kind}List`,
    plural: row.plural,
    singular: row.kind.toLowerCase(),
    shortNames: row.short ?? [],
    categories: row.categories ?? [],
    namespaced: row.cluster !== true,
    verbs: row.verbs ?? allVerbs,
    nameRule: row.name ?? "subdomain",
    hasStatus: row.status === true,
    ...(row.scale ? { scale: row.scale } : {}),
    custom: false,
    unconditionalUpdate: true,
    createOnUpdate: row.createOnUpdate === true,
    selectableFields: row.fields ?? [],
    columns: builtinColumns[name] ?? defaultColumns,
    strategy: strategies[name] ?? {},
    // Both event APIs show the same objects in a real cluster; here each keeps its own.
    storage: `${group}/${row.plural}`,
    subresources: row.subresources ?? [],
    schema: () => model(row.model ?? `V1${row.kind}`),
  };
}

export const builtinResources: readonly Resource[] = rows.map(build);

/** Kinds that are sent but not kept. */
const transient: { readonly [kind: string]: string } = {
  DeleteOptions: "V1DeleteOptions",
  Eviction: "V1Eviction",
  Binding: "V1Binding",
  TokenRequest: "AuthenticationV1TokenRequest",
};

/** The schema of a built-in kind, by what a body says it is. */
export function builtinSchema(apiVersion: string, kind: string): Schema | undefined {
  const resource = builtinResources.find((r) => r.kind === kind && apiVersionOf(r) === apiVersion);
  if (resource) return resource.schema();
  return transient[kind] === undefined ? undefined : model(transient[kind]);
}
