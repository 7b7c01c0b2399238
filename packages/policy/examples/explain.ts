import { createPolicyEngine } from "@fairlead/policy";
import { createFakeDataplane } from "@fairlead/policy/fake";

const engine = createPolicyEngine({ dataplane: createFakeDataplane(), nodeName: "worker-1" });
await engine.start();
engine.objects.upsert("KubernetesNetworkPolicy", {
  metadata: { namespace: "shop", name: "web" },
  spec: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] },
});
engine.endpoints.upsert({
  id: "vm",
  interfaceName: "cali1",
  pod: { namespace: "shop", name: "vm" },
  labels: {},
  addresses: ["10.244.0.5"],
  macs: ["02:00:00:00:00:05"],
  state: "running",
});
engine.synced();
await engine.ready("vm");
const packet = { direction: "in", source: "192.0.2.1", destination: "10.244.0.5", protocol: "tcp" } as const;
for (const destinationPort of [80, 81]) {
  process.stdout.write(
    `${destinationPort} ${JSON.stringify(engine.explain({ ...packet, destinationPort }, "vm"))}\n`,
  );
}
await engine.close();
