import { createIpam, createMemoryStore } from "@fairlead/ipam";

const store = createMemoryStore();
await store.create("IPPool", { metadata: { name: "default" }, spec: { cidr: "10.244.0.0/16" } });
const ipam = createIpam({ store });

const pod = {
  namespace: "default",
  name: "virt-launcher-1",
  uid: "u1",
  creationTimestamp: "2026-01-01T00:00:00Z",
};
const vm = { name: "database", vmUid: "v1", vmiUid: "i1", role: "active" } as const;
const request = {
  network: "k8s-pod-network",
  containerId: "c1",
  node: "worker-1",
  pod,
  vm,
  families: [4],
} as const;
console.log(await ipam.workloads.assign(request)); // the same address in every pod this VM will ever run in
