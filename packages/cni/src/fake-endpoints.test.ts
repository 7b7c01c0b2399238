import { describeEndpoints } from "./endpoints.compliance.ts";
import { createFakeEndpoints } from "./fake-endpoints.ts";

describeEndpoints("endpoints in memory", () => {
  const endpoints = createFakeEndpoints();
  return {
    endpoints,
    containers: () => [...endpoints.present.values()].map(({ containerId }) => containerId),
    delay: (pod) => void endpoints.late.add(pod),
    acknowledge: async (pod) => endpoints.acknowledge(pod),
  };
});
