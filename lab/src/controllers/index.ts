import { Connection } from "../apiserver/connection.ts";
import { GarbageCollector } from "./garbage-collector.ts";
import { NamespaceController } from "./namespaces.ts";
import { NodeLifecycle } from "./node-lifecycle.ts";
import { Scheduler } from "./scheduler.ts";
import { WorkloadController } from "./workloads.ts";

export { Connection } from "../apiserver/connection.ts";
export { GarbageCollector } from "./garbage-collector.ts";
export { NamespaceController } from "./namespaces.ts";
export { Scheduler } from "./scheduler.ts";
export { chooseNode, type Decision } from "./scheduling.ts";
export { WorkloadController } from "./workloads.ts";

/** All controllers a lab needs besides KubeVirt's. */
export async function startControllers(kubeconfig: string): Promise<{ stop(): void }> {
  const connection = new Connection(kubeconfig);
  const running = await Promise.all([
    GarbageCollector.start(connection),
    NamespaceController.start(connection),
    NodeLifecycle.start(connection),
    Scheduler.start(connection),
    WorkloadController.start(connection),
  ]);
  return {
    stop() {
      for (const controller of running) controller.stop();
      connection.close();
    },
  };
}
