import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ApiClient, createClusterView, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { createFakeBird } from "@fairlead/bgp/fake";
import { type Attachment, hostInterfaceName } from "@fairlead/cni";
import { createFakeAttachments, createFakeWiring } from "@fairlead/cni/fake";
import { createPolicyEngine } from "@fairlead/policy";
import { createFakeDataplane } from "@fairlead/policy/fake";
import { createFakeWorkloadRoutes } from "@fairlead/routes/fake";
import { type Agent, type AgentComponents, createAgent } from "./agent.ts";
import { createFakeClock } from "./clock.ts";
import { watchedKinds } from "./cluster-watch.ts";
import { fakeAttachment } from "./fakes.fixture.ts";
import { createFakeMigrationMemory } from "./migration-files.ts";
import { createFakeTimeline } from "./timeline.ts";

/** One agent over fakes, whose first look at the cluster ends when the test says so. */
export function createLoneAgent() {
  const cluster = new FakeCluster();
  const client = cluster.client();
  const opened = Promise.withResolvers<void>();
  const slow: ApiClient = Object.create(client, {
    list: {
      value: async (...args: Parameters<ApiClient["list"]>) => {
        if (args[0].kind === kinds.EndpointSlice.kind) await opened.promise;
        return client.list(...args);
      },
    },
  });
  const view = createClusterView({ client: slow, kinds: watchedKinds });
  const attachments = createFakeAttachments();
  const routes = createFakeWorkloadRoutes();
  const policy = createPolicyEngine({ dataplane: createFakeDataplane(), nodeName: "node-a" });
  const addressed = { handle: "h", owner: "sole" as const, reused: false };
  const silent = { info() {}, warn() {}, error() {} };
  const nothing = { [Symbol.dispose]() {} };
  const compose = (more: Partial<AgentComponents> = {}) =>
    createAgent({
      nodeName: "node-a",
      client,
      view,
      policy,
      routes,
      attachments,
      workloads: {
        assign: async () => ({
          ...addressed,
          addresses: [{ address: "10.244.0.9", family: 4, blockPrefixLength: 26 }],
        }),
        release: async () => ({ released: [], kept: [] }),
        promote: async () => "owner",
      },
      reflexes: {
        arm: () => {
          throw new Error("nothing is expected here");
        },
        seeOff: () => nothing,
        ...nothing,
      },
      bird: createFakeBird(),
      wiring: createFakeWiring(),
      memory: createFakeMigrationMemory(),
      timeline: createFakeTimeline(),
      clock: createFakeClock(),
      log: silent,
      readMtu: () => 1500,
      ...more,
    });
  const directory = mkdtempSync(join(tmpdir(), "fairlead-agent-"));
  /** A call of the runtime for an ordinary pod. */
  const call = (agent: Agent, command: string, name: string, container = `container-${name}`) =>
    agent.cni.handle({
      environment: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: container,
        CNI_NETNS: `/run/netns/${name}`,
        CNI_IFNAME: "eth0",
        CNI_ARGS: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name};K8S_POD_UID=uid-${name}`,
        CNI_PLUGIN: "calico",
      },
      config: JSON.stringify({
        cniVersion: "1.1.0",
        name: "k8s-pod-network",
        type: "calico",
        ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "false" },
        endpoint_status_dir: directory,
      }),
      startedAt: process.hrtime.bigint(),
    });
  /** An attachment of an ordinary pod whose interface an earlier run made. */
  const leave = (name: string, containerId = `container-${name}`): Attachment => {
    const { vm: _, ...ordinary } = fakeAttachment(name, {
      containerId,
      addresses: ["10.244.0.9"],
      endpointStatusDir: directory,
    });
    const attachment = { ...ordinary, hostInterface: hostInterfaceName({ namespace: "default", name }) };
    attachments.put(attachment);
    routes.addInterface(attachment.hostInterface);
    return attachment;
  };
  const close = async () => {
    await view.close();
    await policy.close();
    rmSync(directory, { recursive: true });
  };
  return { cluster, view, attachments, routes, policy, compose, call, leave, open: opened.resolve, close };
}
