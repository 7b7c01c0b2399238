import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkNamespace, RouteSocket } from "@fairlead/netlink";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, pod } from "./calls.fixture.ts";
import { createCni } from "./cni.ts";
import { createFakeComponents } from "./fake.ts";
import { createThreadedWiring } from "./threaded-wiring.ts";

/** The real wiring under the real plug-in: a path that names one pod's namespace today and another's tomorrow. */
describe("the path of a namespace that another pod has by now", () => {
  let directory: string;
  let node: NetworkNamespace;
  let wiring: ReturnType<typeof createThreadedWiring>;
  let components: ReturnType<typeof createFakeComponents>;
  let run: (command: string, name: string, netns: string, config?: object) => Promise<number>;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "fairlead-reuse-"));
    node = NetworkNamespace.create();
    wiring = createThreadedWiring({ node });
    components = createFakeComponents(new Map([pod("a"), pod("b")]));
    const cni = createCni({ ...components, wiring });
    run = async (command, name, netns, config = {}) => {
      const env = {
        CNI_ARGS: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`,
        CNI_CONTAINERID: `container-of-${name}`,
        CNI_NETNS: netns,
      };
      const raw = call(command, {
        env,
        config: { endpoint_status_dir: join(directory, "status"), ...config },
      });
      return (await cni.handle(raw)).exitCode;
    };
  });

  afterEach(async () => {
    await wiring[Symbol.asyncDispose]();
    node.close();
    rmSync(directory, { recursive: true });
  });

  /** A namespace at a path until the test ends. */
  function createAt(path: string) {
    const netns = NetworkNamespace.createAt(path);
    const names = () => {
      using socket = RouteSocket.open({ netns });
      return socket.links.list({ kind: "veth" }).map(({ name }) => name);
    };
    return {
      names,
      [Symbol.dispose]() {
        netns.close();
        NetworkNamespace.remove(path);
      },
    };
  }

  const onNode = () => {
    using socket = RouteSocket.open({ netns: node });
    return socket.links.list({ kind: "veth" }).map(({ name }) => name);
  };
  const hostInterfaceOf = (id: string) =>
    components.attachments.list().find(({ containerId }) => containerId === id)?.hostInterface;

  it.each([
    ["DEL", "as the runtime names it", true],
    ["DEL", "as it was recorded", true],
    ["GC", "as it was recorded", true],
    ["DEL", "of a container that is not known any more", false],
  ])("%s, %s, leaves that pod its interface and removes its own", async (command, how, isKnown) => {
    const path = join(directory, "a");
    {
      using _ = createAt(path);
      expect(await run("ADD", "a", path)).toBe(0);
      if (!isKnown) components.attachments.delete({ containerId: "container-of-a", ifName: "eth0" });
    }
    using other = createAt(path);
    expect(await run("ADD", "b", path)).toBe(0);
    const staying = hostInterfaceOf("container-of-b");
    const valid = [{ containerID: "container-of-b", ifname: "eth0" }];
    const config = command === "GC" ? { cniVersion: "1.1.0", "cni.dev/valid-attachments": valid } : {};
    expect(await run(command, "a", how === "as it was recorded" ? "" : path, config)).toBe(0);
    // What nobody has a record of goes with its namespace, which the kernel takes apart in its own time.
    await expect.poll(() => [other.names(), onNode()]).toEqual([["eth0"], [staying]]);
    expect(components.attachments.list().map(({ containerId }) => containerId)).toEqual(["container-of-b"]);
  });

  it("does not become another's by a late ADD that is refused there", async () => {
    const path = join(directory, "a");
    using other = createAt(path);
    expect(await run("ADD", "b", path)).toBe(0);
    const staying = hostInterfaceOf("container-of-b");
    expect(await run("ADD", "a", path)).toBe(1);
    expect([other.names(), onNode()]).toEqual([["eth0"], [staying]]);
    expect(components.addresses.held.size).toBe(1);
  });
});
