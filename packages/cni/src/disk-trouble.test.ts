import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openAttachmentFiles } from "./attachment-files.ts";
import { createBrittleDisk } from "./brittle-disk.fixture.ts";
import { call, pod, vm } from "./calls.fixture.ts";
import { createCni } from "./cni.ts";
import { createFakeComponents } from "./fake.ts";
import { createStateFiles } from "./state-files.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-disk-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function start() {
  const disk = createBrittleDisk();
  const files = createStateFiles({ disk });
  const components = {
    ...createFakeComponents(new Map([pod("web"), pod("vm", { vm: { ...vm, role: "active" } })])),
    attachments: openAttachmentFiles(join(directory, "attachments"), () => {}, { files }),
    statusFiles: files,
  };
  const cni = createCni(components);
  const run = async (command: string, name: string) => {
    const { exitCode } = await cni.handle(
      call(command, {
        env: {
          CNI_CONTAINERID: name,
          CNI_NETNS: `/run/netns/${name}`,
          CNI_ARGS: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`,
        },
        config: { endpoint_status_dir: join(directory, "status") },
      }),
    );
    return exitCode;
  };
  const written = () => ["attachments", "status"].map((name) => readdirSync(join(directory, name)));
  return { disk, files, components, run, written };
}

const troubles = ["isFull", "isReadOnly"] as const;

it.each(troubles)(
  "a pod and a VM end although the disk %s, and nothing of them is left when it is well",
  async (trouble) => {
    const { disk, files, components, run, written } = start();
    for (const name of ["web", "vm"]) expect(await run("ADD", name)).toBe(0);
    disk[trouble] = true;
    for (const name of ["web", "vm"]) expect(await run("DEL", name)).toBe(0);
    expect([components.attachments.list(), components.wiring.links.size]).toEqual([[], 0]);
    // Whoever gets the VM's address here is protected from its connections by the note in memory.
    expect(components.attachments.inheritance.ownerOf("10.244.0.2")).toBe("vm-uid");
    disk[trouble] = false;
    files.retry();
    expect(written()).toEqual([["10.244.0.2.inherited", "fd00%3A10%3A244%3A%3A2.inherited"], []]);
  },
);

it.each(troubles)(
  "a pod and a VM start although the disk %s, and are noted when it is well",
  async (trouble) => {
    const { disk, files, components, run, written } = start();
    disk[trouble] = true;
    for (const name of ["web", "vm"]) {
      expect(await run("ADD", name)).toBe(0);
      expect(await run("CHECK", name)).toBe(0);
    }
    expect(components.attachments.list()).toHaveLength(2);
    expect(files.owed()).toHaveLength(4);
    disk[trouble] = false;
    files.retry();
    expect(written()).toEqual([
      ["vm.eth0.json", "web.eth0.json"],
      ["k8s default%2Fvm eth0", "k8s default%2Fweb eth0"],
    ]);
  },
);
