/** A process with an engine in it, to be killed. Arguments: the namespace's path, and endpoints and policies as JSON. */
import { NetworkNamespace } from "@fairlead/netlink";
import type { LocalEndpoint } from "../endpoint.ts";
import type { PolicyKind, PolicyObject } from "../engine.ts";
import { createPolicyEngine } from "../index.ts";
import { createNftablesDataplane } from "../nftables.ts";

export interface AgentPlan {
  readonly endpoints: readonly LocalEndpoint[];
  readonly objects: readonly (readonly [kind: PolicyKind, object: PolicyObject])[];
}

const [path = "", text = "{}"] = process.argv.slice(2);
const plan: AgentPlan = JSON.parse(text);
const engine = createPolicyEngine({
  dataplane: createNftablesDataplane({ netns: NetworkNamespace.open(path) }),
  nodeName: "node",
});
await engine.start();
for (const [kind, object] of plan.objects) engine.objects.upsert(kind, object);
for (const endpoint of plan.endpoints) engine.endpoints.upsert(endpoint);
engine.synced();
await engine.settled();
process.stdout.write("ready\n");
// Changes all the time, so that death comes in the middle of something.
for (let count = 0; ; count++) {
  engine.objects.upsert("KubernetesNetworkPolicy", {
    metadata: { namespace: "default", name: "churn" },
    spec: {
      podSelector: {},
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ ipBlock: { cidr: `203.0.113.${count % 256}/32` } }] }],
    },
  });
  await engine.settled();
}
