import { createFakeWiring } from "./fake-wiring.ts";
import { describeWiring } from "./wiring.compliance.ts";

describeWiring("wiring in memory", () => {
  const wiring = createFakeWiring();
  const path = (pod: string) => `/run/netns/${pod}`;
  return {
    wiring,
    path,
    end: (pod) => wiring.end(path(pod)),
    onNode: () => [...wiring.links.keys()],
    async [Symbol.asyncDispose]() {},
  };
});
