import { describeEndpoints } from "@fairlead/cni/compliance";
import { createEndpoints } from "./endpoints.ts";
import { createFakeTimeline } from "./timeline.ts";

describeEndpoints("endpoints of the agent", () => {
  const late = new Map<string, PromiseWithResolvers<void>>();
  const endpoints = createEndpoints({
    policy: {
      endpoints: { upsert() {}, remove() {} },
      async ready(id, { signal } = {}) {
        signal?.throwIfAborted();
        const aborted = Promise.withResolvers<never>();
        signal?.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
        const [pod] = [...late.keys()].filter((name) => id.includes(`.${name}/`));
        await Promise.race([pod && late.get(pod)?.promise, aborted.promise]);
      },
    },
    migrations: { follow() {}, listening: async () => {}, drop() {}, recordOf: () => undefined },
    timeline: createFakeTimeline(),
    factsOf: () => ({ labels: {}, ports: [], allowedSourcePrefixes: [], guestMacs: [] }),
    onError: (error) => {
      throw error;
    },
  });
  return {
    endpoints,
    containers: () => endpoints.list().map(({ containerId }) => containerId),
    delay: (pod) => void late.set(pod, Promise.withResolvers<void>()),
    async acknowledge(pod) {
      late.get(pod)?.resolve();
      await new Promise(setImmediate);
    },
  };
});
