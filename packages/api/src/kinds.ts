import type * as core from "./core/index.ts";
import { defineKind } from "./kind.ts";
import type * as kubevirt from "./kubevirt/index.ts";
import { ownKinds } from "./resources/index.ts";

/**
 * Every kind Fairlead reads or writes. Two kinds are called NetworkPolicy: plain is `projectcalico.org/v3`,
 * `KubernetesNetworkPolicy` is `networking.k8s.io/v1`.
 */
export const kinds = {
  ...ownKinds,

  Pod: defineKind<core.Pod>({
    version: "v1",
    kind: "Pod",
    plural: "pods",
    shortNames: ["po"],
    hasStatus: true,
  }),
  Node: defineKind<core.Node>({
    version: "v1",
    kind: "Node",
    plural: "nodes",
    namespaced: false,
    shortNames: ["no"],
    hasStatus: true,
  }),
  Namespace: defineKind<core.Namespace>({
    version: "v1",
    kind: "Namespace",
    plural: "namespaces",
    namespaced: false,
    shortNames: ["ns"],
    hasStatus: true,
  }),
  Service: defineKind<core.Service>({
    version: "v1",
    kind: "Service",
    plural: "services",
    shortNames: ["svc"],
    hasStatus: true,
  }),
  ServiceAccount: defineKind<core.ServiceAccount>({
    version: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    shortNames: ["sa"],
  }),
  Event: defineKind<core.Event>({ version: "v1", kind: "Event", plural: "events", shortNames: ["ev"] }),
  Secret: defineKind<core.Secret>({ version: "v1", kind: "Secret", plural: "secrets" }),
  ConfigMap: defineKind<core.ConfigMap>({
    version: "v1",
    kind: "ConfigMap",
    plural: "configmaps",
    shortNames: ["cm"],
  }),
  Lease: defineKind<core.Lease>({
    group: "coordination.k8s.io",
    version: "v1",
    kind: "Lease",
    plural: "leases",
  }),
  EndpointSlice: defineKind<core.EndpointSlice>({
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    plural: "endpointslices",
  }),
  KubernetesNetworkPolicy: defineKind<core.KubernetesNetworkPolicy>({
    group: "networking.k8s.io",
    version: "v1",
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    shortNames: ["netpol"],
  }),
  ClusterNetworkPolicy: defineKind<core.ClusterNetworkPolicy>({
    group: "policy.networking.k8s.io",
    version: "v1alpha2",
    kind: "ClusterNetworkPolicy",
    plural: "clusternetworkpolicies",
    namespaced: false,
    shortNames: ["cnp"],
    hasStatus: true,
  }),
  CustomResourceDefinition: defineKind<core.CustomResourceDefinition>({
    group: "apiextensions.k8s.io",
    version: "v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    namespaced: false,
    shortNames: ["crd"],
    hasStatus: true,
  }),

  VirtualMachine: defineKind<kubevirt.VirtualMachine>({
    group: "kubevirt.io",
    version: "v1",
    kind: "VirtualMachine",
    plural: "virtualmachines",
    shortNames: ["vm", "vms"],
    hasStatus: true,
  }),
  VirtualMachineInstance: defineKind<kubevirt.VirtualMachineInstance>({
    group: "kubevirt.io",
    version: "v1",
    kind: "VirtualMachineInstance",
    plural: "virtualmachineinstances",
    shortNames: ["vmi", "vmis"],
  }),
  VirtualMachineInstanceMigration: defineKind<kubevirt.VirtualMachineInstanceMigration>({
    group: "kubevirt.io",
    version: "v1",
    kind: "VirtualMachineInstanceMigration",
    plural: "virtualmachineinstancemigrations",
    shortNames: ["vmim", "vmims"],
    hasStatus: true,
  }),
  KubeVirt: defineKind<kubevirt.KubeVirt>({
    group: "kubevirt.io",
    version: "v1",
    kind: "KubeVirt",
    plural: "kubevirts",
    shortNames: ["kv", "kvs"],
    hasStatus: true,
  }),
} as const;
