import { CoreV1Api, KubeConfig, makeInformer } from "@kubernetes/client-node";
import { describe, expect, test } from "vitest";
import { Client, configMap, eventually, type Subject } from "./target.ts";

export function informerCases(subject: Subject): void {
  describe("@kubernetes/client-node", () => {
    test("its informer sees what is there, what comes, changes and goes", async () => {
      const client = new Client(subject().admin);
      const namespace = await client.namespace();
      const maps = `/api/v1/namespaces/${namespace}/configmaps`;
      const config = new KubeConfig();
      config.loadFromString(subject().kubeconfig);
      const api = config.makeApiClient(CoreV1Api);
      const seen: string[] = [];
      const labelSelector = "mine=yes";
      const informer = makeInformer(
        config,
        maps,
        () => api.listNamespacedConfigMap({ namespace, labelSelector }),
        labelSelector,
      );
      for (const event of ["add", "update", "delete"] as const)
        informer.on(event, (object) => {
          seen.push(`${event} ${object.metadata?.name} ${object.data?.x}`);
        });
      const mine = { labels: { mine: "yes" } };
      await client.post(maps, configMap("a", { x: "1" }, mine));
      await informer.start();
      try {
        await eventually(async () => (seen.length === 1 ? true : undefined));
        await client.post(maps, configMap("b", { x: "1" }, mine));
        await eventually(async () => (seen.length === 2 ? true : undefined));
        await client.patch(`${maps}/b`, "merge", { data: { x: "2" } });
        await client.delete(`${maps}/a`);
        await eventually(async () => (seen.length === 4 ? true : undefined));
        expect(seen).toEqual(["add a 1", "add b 1", "update b 2", "delete a 1"]);
      } finally {
        await informer.stop();
      }
    });
  });
}
