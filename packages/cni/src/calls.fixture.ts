import type { Workload } from "./components.ts";
import type { RawRequest } from "./request.ts";

/** Inputs that the tests of this package share. */
export const conf = {
  cniVersion: "1.0.0",
  name: "k8s-pod-network",
  type: "calico",
  ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" },
};

export function call(
  command: string,
  overrides: { env?: Record<string, string>; config?: object } = {},
): RawRequest {
  return {
    environment: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: "c1",
      CNI_NETNS: "/run/netns/c1",
      CNI_IFNAME: "eth0",
      CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
      CNI_PLUGIN: "calico",
      ...overrides.env,
    },
    config: JSON.stringify({ ...conf, ...overrides.config }),
    startedAt: process.hrtime.bigint(),
  };
}

export function pod(name: string, more: Partial<Workload> = {}): [string, Workload] {
  return [
    `default/${name}`,
    {
      pod: { namespace: "default", name, uid: `uid-${name}`, creationTimestamp: "2026-01-01T00:00:00Z" },
      podAnnotations: {},
      namespaceAnnotations: {},
      namespaceLabels: {},
      nodeLabels: {},
      ...more,
    },
  ];
}

export const vm = { name: "vm1", vmUid: "vm-uid", vmiUid: "vmi-uid" };
