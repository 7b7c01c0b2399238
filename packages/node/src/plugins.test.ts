import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterView, createClusterView, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { renderConflist } from "@fairlead/cni";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeClock } from "./clock.ts";
import { watchPlugins } from "./plugins.ts";
import { createRemarks, type Remarks } from "./remarks.ts";

let directory: string;
let cluster: FakeCluster;
let view: ClusterView;
let open: AsyncDisposableStack;
let clock: ReturnType<typeof createFakeClock>;
let remarks: Remarks;
let warned: string[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-plugins-"));
  for (const name of ["bin", "net.d"]) mkdirSync(join(directory, name));
  cluster = new FakeCluster();
  open = new AsyncDisposableStack();
  view = open.use(createClusterView({ client: cluster.client(), kinds: [kinds.Pod] }));
  await view.synced();
  clock = createFakeClock();
  remarks = createRemarks({ log: { info() {}, warn() {} } });
  warned = [];
});
afterEach(async () => {
  await open.disposeAsync();
  rmSync(directory, { recursive: true });
});

const installed = (...names: string[]) => {
  for (const name of names) writeFileSync(join(directory, "bin", name), "");
};
const configured = (text: string) => writeFileSync(join(directory, "net.d", "10-calico.conflist"), text);
const ours = (hasPortmap: boolean) => renderConflist({ policySetupTimeoutSeconds: 10, hasPortmap });

const watch = () =>
  open.use(
    watchPlugins({
      view,
      nodeName: "node-1",
      binDir: join(directory, "bin"),
      confDir: join(directory, "net.d"),
      clock,
      remarks,
      warnings: { warn: ({ kind, name }, reason) => void warned.push(`${kind} ${name} ${reason}`) },
    }),
  );

/** Resolves when the view has it. */
async function put(name: string, spec: object, annotations = {}): Promise<void> {
  cluster.put(kinds.Pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: `uid-${name}`, annotations },
    spec: { nodeName: "node-1", containers: [{ name: "main" }], ...spec },
  });
  await expect.poll(() => view.get(kinds.Pod, { namespace: "default", name })).toBeDefined();
}
const withHostPort = { containers: [{ name: "main", ports: [{ containerPort: 80, hostPort: 8080 }] }] };

describe("a node without plug-ins of others", () => {
  it("says what is missing and what that means, until it is installed", () => {
    configured(ours(false));
    watch();
    expect(remarks.list()).toEqual([
      expect.stringMatching(/^no pod can start on this node: plug-in loopback is missing in .*bin;/),
      expect.stringMatching(/^hostPort has no effect on this node: plug-in portmap is missing in .*bin;/),
    ]);
    installed("loopback", "portmap");
    configured(ours(true));
    clock.advance(10_000);
    expect(remarks.list()).toEqual([]);
  });

  it("speaks of bandwidth only when a pod asks for it", async () => {
    installed("loopback", "portmap");
    configured(ours(true));
    watch();
    expect(remarks.list()).toEqual([]);
    await put("slow", {}, { "kubernetes.io/egress-bandwidth": "1M" });
    clock.advance(10_000);
    expect(remarks.list()).toEqual([expect.stringContaining("plug-in bandwidth is missing")]);
    expect(warned).toContain("Pod slow BandwidthWithoutEffect");
  });

  it("tells it to each pod that wants a hostPort, whether it is there already or comes later", async () => {
    await put("early", withHostPort);
    configured(ours(false));
    watch();
    expect(warned).toEqual(["Pod early HostPortWithoutEffect"]);
    await put("late", { initContainers: withHostPort.containers });
    await expect.poll(() => warned).toContain("Pod late HostPortWithoutEffect");
  });

  it("has nothing to say to pods of other nodes, of the host's network, without ports, or that have ended", async () => {
    await put("elsewhere", { ...withHostPort, nodeName: "node-2" });
    await put("host", { ...withHostPort, hostNetwork: true });
    await put("plain", { containers: [{ name: "main", ports: [{ containerPort: 80 }] }] });
    watch();
    expect(warned).toEqual([]);
  });
});

it("a configuration that somebody else wrote without portmap is named", async () => {
  installed("loopback", "portmap");
  configured(JSON.stringify({ name: "mine", plugins: [{ type: "calico", mtu: 9000 }] }));
  await put("web", withHostPort);
  watch();
  expect(remarks.list()).toEqual([
    expect.stringMatching(/10-calico.conflist does not call plug-in portmap;/),
  ]);
  expect(warned).toEqual(["Pod web HostPortWithoutEffect"]);
});
