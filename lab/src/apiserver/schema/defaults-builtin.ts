import type { Json } from "../json.ts";

const container: { [field: string]: Json } = {
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
  resources: {},
};

/** Default values of built-in kinds, by model and field; only what a client of the lab can see matter. */
export const builtinDefaults: { readonly [model: string]: { readonly [field: string]: Json } } = {
  V1PodSpec: {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    securityContext: {},
    schedulerName: "default-scheduler",
    enableServiceLinks: true,
  },
  V1Container: container,
  V1EphemeralContainer: container,
  V1ContainerPort: { protocol: "TCP" },
  V1Probe: { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 },
  V1HTTPGetAction: { path: "/", scheme: "HTTP" },
  V1ObjectFieldSelector: { apiVersion: "v1" },
  V1SecretVolumeSource: { defaultMode: 420 },
  V1ConfigMapVolumeSource: { defaultMode: 420 },
  V1DownwardAPIVolumeSource: { defaultMode: 420 },
  V1ProjectedVolumeSource: { defaultMode: 420 },
  V1ServiceAccountTokenProjection: { expirationSeconds: 3600 },
  V1HostPathVolumeSource: { type: "" },
  V1NamespaceStatus: { phase: "Active" },
  V1ServiceSpec: { type: "ClusterIP", sessionAffinity: "None", internalTrafficPolicy: "Cluster" },
  V1ServicePort: { protocol: "TCP" },
  CoreV1EndpointPort: { protocol: "TCP" },
  V1Secret: { type: "Opaque" },
  V1DeploymentSpec: {
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    strategy: {},
  },
  V1DeploymentStrategy: { type: "RollingUpdate" },
  V1RollingUpdateDeployment: { maxSurge: "25%", maxUnavailable: "25%" },
  V1ReplicaSetSpec: { replicas: 1 },
  V1DaemonSetSpec: {
    revisionHistoryLimit: 10,
    updateStrategy: {},
  },
  V1DaemonSetUpdateStrategy: { type: "RollingUpdate" },
  V1RollingUpdateDaemonSet: { maxSurge: 0, maxUnavailable: 1 },
  V1NetworkPolicyPort: { protocol: "TCP" },
  V1ValidatingWebhook: {
    matchPolicy: "Equivalent",
    timeoutSeconds: 10,
    namespaceSelector: {},
    objectSelector: {},
    failurePolicy: "Fail",
  },
  V1ValidatingAdmissionPolicySpec: { failurePolicy: "Fail" },
  V1MatchResources: { matchPolicy: "Equivalent", namespaceSelector: {}, objectSelector: {} },
  V1PriorityClass: { preemptionPolicy: "PreemptLowerPriority" },
  V1StorageClass: { reclaimPolicy: "Delete", volumeBindingMode: "Immediate" },
};

/** Closed sets of values, by model and field. */
export const builtinEnums: { readonly [model: string]: { readonly [field: string]: string[] } } = {
  V1PodSpec: {
    restartPolicy: ["Always", "OnFailure", "Never"],
    dnsPolicy: ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
  },
  V1Container: { imagePullPolicy: ["Always", "IfNotPresent", "Never"] },
  V1ContainerPort: { protocol: ["TCP", "UDP", "SCTP"] },
  V1ServicePort: { protocol: ["TCP", "UDP", "SCTP"] },
  V1NetworkPolicyPort: { protocol: ["TCP", "UDP", "SCTP"] },
  V1ServiceSpec: { type: ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"] },
  V1Toleration: { effect: ["NoSchedule", "PreferNoSchedule", "NoExecute"], operator: ["Equal", "Exists"] },
  V1Taint: { effect: ["NoSchedule", "PreferNoSchedule", "NoExecute"] },
  V1NetworkPolicySpec: { policyTypes: ["Ingress", "Egress"] },
  V1EndpointSlice: { addressType: ["IPv4", "IPv6", "FQDN"] },
  V1CustomResourceDefinitionSpec: { scope: ["Cluster", "Namespaced"] },
};
