/** Runs what docs/operations.md tells an operator to run, in its order, and looks at what came of it. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createApiClient, kinds } from "@fairlead/api";
import { deleteVm, entering, inside, listMachines, pathOn, waitFor, waitUntilRunning } from "@fairlead/lab";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readDocument } from "../../scripts/documents.ts";
import { root } from "../../scripts/steps.ts";

const guide = readDocument("", await readFile(join(root, "docs", "operations.md"), "utf8"));
const machines = await listMachines();
const workers = machines.filter(({ role }) => role === "worker");
const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
const directory = mkdtempSync(join(tmpdir(), "fairlead-operations-"));
const environment = {
  ...process.env,
  KUBECONFIG: inside.adminKubeconfig,
  PATH: `${join(directory, "bin")}:${process.env.PATH}`,
};

/** Runs a shell command as an operator would; rejects with its output when it fails. */
async function run(command: string, prefix: readonly string[] = []): Promise<string> {
  const [program = "", ...args] = [...prefix, "sh", "-ec", command];
  const { stdout } = await promisify(execFile)(program, args, {
    cwd: directory,
    env: environment,
    timeout: 120_000,
    maxBuffer: 64 << 20,
  });
  return stdout;
}

beforeAll(() => {
  mkdirSync(join(directory, "bin"));
  for (const name of ["fairleadctl", "calicoctl"])
    symlinkSync(join(root, "packages", "cli", "src", "main.ts"), join(directory, "bin", name));
  const defaults = readFileSync(join(root, "deploy", "20-defaults.yaml"), "utf8").split("\n---\n");
  writeFileSync(
    join(directory, "installation.yaml"),
    defaults.find((one) => one.includes("kind: Installation"))!,
  );
  for (const { words, code } of guide.blocks) {
    const name = /^# (\S+\.yaml)\n/.exec(code)?.[1];
    if (words[0] === "yaml" && name) writeFileSync(join(directory, name), code);
  }
});
afterAll(async () => {
  await deleteVm(client, "my-vm").catch(() => {});
  await client.close();
  rmSync(directory, { recursive: true, force: true });
});

/** The commands of the guide's shell blocks with this info string, one by one. */
function commandsIn(...info: readonly string[]): string[] {
  return guide.blocks
    .filter(({ words }) => words.join(" ") === info.join(" "))
    .flatMap(({ code }) => code.replaceAll("\\\n", "").split("\n"))
    .filter((line) => line !== "" && !line.startsWith("#"));
}

describe("the operator's guide", () => {
  it("sets things up with commands that work", async () => {
    // What the guide switches on is switched off before, so that its commands have something to do.
    await client.patch(
      kinds.Installation,
      { name: "default" },
      { spec: { calicoNetwork: { linuxPolicySetupTimeoutSeconds: 7 } } },
      { type: "merge" },
    );
    await client.patch(
      kinds.IPAMConfiguration,
      { name: "default" },
      { spec: { kubeVirtVMAddressPersistence: "Disabled" } },
      { type: "merge" },
    );
    await run(
      `kubectl patch installation default --type=json -p '[{"op":"replace","path":"/spec/calicoNetwork/ipPools/0/natOutgoing","value":"Enabled"}]'`,
    );
    await untilNat(true);
    for (const command of commandsIn("sh").filter((one) => /apply|patch|configure/.test(one)))
      await run(command);
    await untilNat(false);
    const { spec } = await client.get(kinds.IPAMConfiguration, { name: "default" });
    expect(spec.kubeVirtVMAddressPersistence).toBe("Enabled");
  });

  it("changes one number with the time limit, and nothing of pools, blocks and the rest", async () => {
    const { spec } = await client.get(kinds.Installation, { name: "default" });
    expect(spec.calicoNetwork?.linuxPolicySetupTimeoutSeconds).toBe(10);
    expect(spec.calicoNetwork?.ipPools?.map(({ name }) => name)).toEqual(poolNames);
    expect(await poolsInForce()).toEqual(poolNames);
  });

  it("loses no pool and no block when an Installation without pools is applied over it, as on the page for Calico", async () => {
    await waitUntilRunning(client, "my-vm");
    const affinities = () => namesOf(kinds.BlockAffinity);
    const before = await affinities();
    expect(before.length).toBeGreaterThan(0);
    const page = {
      kind: "Installation",
      apiVersion: "operator.tigera.io/v1",
      metadata: { name: "default" },
      spec: { calicoNetwork: { linuxPolicySetupTimeoutSeconds: 10 } },
    };
    writeFileSync(join(directory, "page.json"), JSON.stringify(page));
    await run("kubectl apply -f page.json");
    const { spec } = await client.get(kinds.Installation, { name: "default" });
    // The merge was a real one: it took the list away.
    expect(spec.calicoNetwork?.ipPools).toBeUndefined();
    // What follows shows that the controller has seen it.
    await run("kubectl apply -f installation.yaml");
    await run(
      `kubectl patch installation default --type=json -p '[{"op":"replace","path":"/spec/calicoNetwork/ipPools/0/natOutgoing","value":"Enabled"}]'`,
    );
    await untilNat(true);
    await run(
      `kubectl patch installation default --type=json -p '[{"op":"replace","path":"/spec/calicoNetwork/ipPools/0/natOutgoing","value":"Disabled"}]'`,
    );
    await untilNat(false);
    expect(await poolsInForce()).toEqual(poolNames);
    expect(await affinities()).toEqual(before);
  });

  it("keeps a pool in use whose place in the list is empty, tells why, and gives out its addresses again afterwards", async () => {
    const before = await namesOf(kinds.BlockAffinity);
    await run(
      `kubectl patch installation default --type=merge -p '{"spec":{"calicoNetwork":{"ipPools":[]}}}'`,
    );
    await waitFor("both pools disabled", 60, async () =>
      (await poolsInForce()).length === 0 ? true : undefined,
    );
    await waitFor("events on both pools", 60, async () => {
      const { items } = await client.list(kinds.Event, { namespace: "default" });
      const told = new Set(
        items
          .filter(({ reason }) => reason === "StillInUse")
          .map(({ involvedObject }) => involvedObject.name),
      );
      return poolNames.every((name) => told.has(name)) ? true : undefined;
    });
    expect(await namesOf(kinds.IPPool)).toEqual(poolNames);
    expect(await namesOf(kinds.BlockAffinity)).toEqual(before);
    await run("kubectl apply -f installation.yaml");
    await waitFor("both pools enabled", 60, async () =>
      (await poolsInForce()).length === 2 ? true : undefined,
    );
  });

  it("brings the time limit into the network configuration of every node", async () => {
    for (const worker of workers) {
      await waitFor(`10 s in the conflist of ${worker.name}`, 60, async () => {
        const conflist = JSON.parse(
          await readFile(pathOn(worker, "/etc/cni/net.d/10-calico.conflist"), "utf8"),
        );
        return conflist.plugins[0].policy_setup_timeout_seconds === 10 ? true : undefined;
      });
    }
  });

  it("opens the ports of the migration where a host endpoint is", async () => {
    const [worker] = workers;
    const name = `${worker!.name}-all`;
    // The profile lets everything else pass: this is about the failsafes alone.
    const spec = { node: worker!.name, interfaceName: "*", profiles: ["projectcalico-default-allow"] };
    await client.create(kinds.HostEndpoint, { metadata: { name }, spec });
    try {
      await waitFor(`failsafe ports on ${worker!.name}`, 60, async () =>
        (await run("nft list table inet fairlead", entering(worker!))).includes("49152") ? true : undefined,
      );
    } finally {
      await client.delete(kinds.HostEndpoint, { name });
    }
  });

  it("starts the VM of its manifest, ready to migrate, with both addresses", async () => {
    const vm = await waitUntilRunning(client, "my-vm");
    expect(vm.ipv4).toMatch(/^10\.244\./);
    await waitFor("LiveMigratable", 60, async () => {
      const vmi = await client.get(kinds.VirtualMachineInstance, { namespace: "default", name: "my-vm" });
      return vmi.status?.conditions?.some(
        ({ type, status }) => type === "LiveMigratable" && status === "True",
      )
        ? true
        : undefined;
    });
  });

  it.each(commandsIn("sh").filter((one) => !/apply|patch|configure|release/.test(one)))(
    "shows: %s",
    async (command) => {
      await run(command);
    },
  );

  it.each(commandsIn("sh", "node"))("shows on a node: %s", async (command) => {
    expect(await run(command, entering(workers[0]!))).not.toBe("");
  });

  it("gives Fairlead's accounts no right to change what is KubeVirt's", async () => {
    for (const account of ["fairlead-node", "fairlead-cluster"]) {
      const rights = await run(
        `kubectl auth can-i --list --as=system:serviceaccount:fairlead-system:${account}`,
      );
      const lines = rights.split("\n").filter((line) => line.includes("kubevirt.io"));
      expect(lines.length, account).toBeGreaterThan(0);
      for (const line of lines) expect(line).not.toMatch(/create|update|patch|delete|\*/);
    }
  });

  it("lets nobody but KubeVirt make a VMI the owner of a pod", async () => {
    const vmi = await client.get(kinds.VirtualMachineInstance, { namespace: "default", name: "my-vm" });
    const owner = {
      apiVersion: "kubevirt.io/v1",
      kind: "VirtualMachineInstance",
      name: "my-vm",
      uid: vmi.metadata.uid,
    };
    const forged = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "forged", ownerReferences: [{ ...owner, controller: true }] },
      spec: { containers: [{ name: "c", image: "none" }] },
    };
    writeFileSync(join(directory, "forged.json"), JSON.stringify(forged));
    await expect(run("kubectl apply -f forged.json")).rejects.toThrow(/only KubeVirt's controller/);
  });
});

const poolNames = ["default-ipv4-ippool", "default-ipv6-ippool"];

async function namesOf(kind: typeof kinds.IPPool | typeof kinds.BlockAffinity): Promise<string[]> {
  const { items } = await client.list<{ readonly metadata: { readonly name: string } }>(kind);
  return items.map(({ metadata }) => metadata.name).sort();
}

/** Names of the pools that give out addresses. */
async function poolsInForce(): Promise<string[]> {
  const { items } = await client.list(kinds.IPPool);
  return items
    .filter(({ spec }) => !spec.disabled)
    .map(({ metadata }) => metadata.name)
    .sort();
}

async function untilNat(natOutgoing: boolean): Promise<void> {
  await waitFor(`natOutgoing ${natOutgoing}`, 60, async () => {
    const pool = await client.get(kinds.IPPool, { name: "default-ipv4-ippool" });
    return pool.spec.natOutgoing === natOutgoing ? true : undefined;
  });
}
