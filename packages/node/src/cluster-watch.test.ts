import { createClusterView, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { createPolicyEngine } from "@fairlead/policy";
import { createFakeDataplane } from "@fairlead/policy/fake";
import { expect, it } from "vitest";
import { watchCluster, watchedKinds } from "./cluster-watch.ts";
import { fakeAttachment } from "./fakes.fixture.ts";
import { VirtualMachineObjects } from "./virtual-machine.fixture.ts";

/** A VM that has never migrated, in its first pod on this node; another one of the namespace has a migration under way. */
async function setUp() {
  const cluster = new FakeCluster();
  const vm = new VirtualMachineObjects(cluster, "vm1", "02:00:00:00:00:01");
  vm.pod("first", "n1");
  vm.runsOn("n1");
  vm.migration("own", "Pending");
  vm.migration("failed", "Failed");
  new VirtualMachineObjects(cluster, "vm2", "02:00:00:00:00:02").migration("others", "Running");
  const first = fakeAttachment("first", { vm: { name: "vm1", vmUid: "vm-vm1", vmiUid: "vmi-vm1" } });
  const told: string[] = [];
  const open = new AsyncDisposableStack();
  const view = open.use(createClusterView({ client: cluster.client(), kinds: watchedKinds }));
  await view.synced();
  const watch = open.use(
    watchCluster({
      view,
      policy: createPolicyEngine({ dataplane: createFakeDataplane(), nodeName: "n1" }),
      endpoints: () => [first],
      refresh() {},
      tell: (_, { type }) => void told.push(type),
      departing() {},
      touchBird() {},
    }),
  );
  return { cluster, vm, view, watch, first, told, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

it.each(["uid-own", "uid-failed", "uid-others", "uid-none"])(
  "a running VM's pod that somebody labels as made for migration %s keeps its guest",
  async (label) => {
    await using world = await setUp();
    const { cluster, view, watch, first, told } = world;
    const labels = { "kubevirt.io/migrationJobUID": label };
    const ref = { namespace: "default", name: "first" };
    await cluster.client().patch(kinds.Pod, ref, { metadata: { labels } }, { type: "merge" });
    await expect.poll(() => view.get(kinds.Pod, ref)?.metadata.labels).toMatchObject(labels);
    told.length = 0;
    watch.look(first);
    expect(told).toEqual(["Arrived"]);
  },
);
