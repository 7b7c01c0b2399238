import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterView, createClusterView, type Installation, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeClock } from "./clock.ts";
import { installConflist } from "./conflist-installer.ts";

let directory: string;
let confDir: string;
let binDir: string;
let path: string;
let cluster: FakeCluster;
let view: ClusterView;
let open: AsyncDisposableStack;
let errors: unknown[];
let clock: ReturnType<typeof createFakeClock>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-conflist-"));
  confDir = join(directory, "etc", "net.d");
  binDir = join(directory, "bin");
  path = join(confDir, "10-calico.conflist");
  mkdirSync(binDir);
  errors = [];
  clock = createFakeClock();
  cluster = new FakeCluster();
  open = new AsyncDisposableStack();
  view = open.use(createClusterView({ client: cluster.client(), kinds: [kinds.Installation] }));
  await view.synced();
});
afterEach(async () => {
  await open.disposeAsync();
  rmSync(directory, { recursive: true });
});

function install(): Disposable {
  return open.use(installConflist({ view, confDir, binDir, clock, onError: (error) => errors.push(error) }));
}

/** Resolves when every subscriber before this call has heard of the change. */
async function change(act: () => unknown): Promise<void> {
  const heard = Promise.withResolvers<void>();
  using _ = view.subscribe(kinds.Installation, () => heard.resolve(), { replay: false });
  await act();
  await heard.promise;
}

function putTimeout(linuxPolicySetupTimeoutSeconds: number, name = "default"): void {
  cluster.put(kinds.Installation, {
    apiVersion: "operator.tigera.io/v1",
    kind: "Installation",
    metadata: { name },
    spec: { calicoNetwork: { linuxPolicySetupTimeoutSeconds } },
  });
}

const place = (text: string) => {
  mkdirSync(confDir, { recursive: true });
  writeFileSync(path, text);
};
const written = () => JSON.parse(readFileSync(path, "utf8"));
const timeout = () => written().plugins[0].policy_setup_timeout_seconds;

describe("on a node without a network configuration", () => {
  it("writes one whose families follow the pools, which everybody may read, and nothing beside it", () => {
    install();
    expect(written()).toMatchObject({ plugins: [{ type: "calico", ipam: { type: "calico-ipam" } }] });
    expect(written().plugins[0].ipam).toEqual({ type: "calico-ipam" });
    expect(timeout()).toBe(10);
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(readdirSync(confDir)).toEqual(["10-calico.conflist"]);
    expect(errors).toEqual([]);
  });

  it("takes the timeout of the Installation, also when that is none", async () => {
    await change(() => putTimeout(0));
    install();
    expect(timeout()).toBe(0);
  });

  it("takes no notice of an Installation of another name", async () => {
    await change(() => putTimeout(3, "other"));
    install();
    expect(timeout()).toBe(10);
  });

  it("lets portmap serve host ports where it is installed", () => {
    writeFileSync(join(binDir, "portmap"), "");
    install();
    expect(written().plugins.map(({ type }: { type: string }) => type)).toEqual(["calico", "portmap"]);
  });

  it("does not touch what others put there", () => {
    mkdirSync(confDir, { recursive: true });
    writeFileSync(join(confDir, "05-other.conf"), "theirs");
    install();
    expect(readFileSync(join(confDir, "05-other.conf"), "utf8")).toBe("theirs");
    expect(readdirSync(confDir)).toEqual(["05-other.conf", "10-calico.conflist"]);
  });
});

describe("an Installation that changes", () => {
  it("changes the timeout in the file, and one that is deleted leaves it as it was", async () => {
    install();
    await change(() => putTimeout(3));
    expect(timeout()).toBe(3);
    await change(() => putTimeout(4));
    expect(timeout()).toBe(4);
    await change(() => cluster.client().delete(kinds.Installation, { name: "default" }));
    expect(timeout()).toBe(4);
  });

  it("replaces the file: whoever is reading the old one reads it to its end", async () => {
    install();
    const before = readFileSync(path, "utf8");
    const reader = openSync(path, "r");
    await change(() => putTimeout(123_456));
    expect(readFileSync(reader, "utf8")).toBe(before);
    closeSync(reader);
    expect(timeout()).toBe(123_456);
    expect(readdirSync(confDir)).toEqual(["10-calico.conflist"]);
  });

  it("that says what is there already writes nothing", async () => {
    install();
    const { ino } = statSync(path);
    await change(() => putTimeout(10));
    expect(statSync(path).ino).toBe(ino);
  });

  it("is not followed any more after the end", async () => {
    install()[Symbol.dispose]();
    await change(() => putTimeout(3));
    expect(timeout()).toBe(10);
  });

  it("writes the file again when somebody has removed it", async () => {
    install();
    rmSync(path);
    await change(() => putTimeout(3));
    expect(timeout()).toBe(3);
  });
});

describe("the plug-ins of a node that change", () => {
  const types = () => written().plugins.map(({ type }: { type: string }) => type);

  it("are followed: portmap comes and goes, and nothing else is written", () => {
    install();
    const { ino } = statSync(path);
    clock.advance(10_000);
    expect([types(), statSync(path).ino]).toEqual([["calico"], ino]);
    writeFileSync(join(binDir, "portmap"), "");
    clock.advance(10_000);
    expect(types()).toEqual(["calico", "portmap"]);
    rmSync(join(binDir, "portmap"));
    clock.advance(10_000);
    expect(types()).toEqual(["calico"]);
    expect(errors).toEqual([]);
  });

  it("are followed by the next start, too, which leaves the timeout as it is", async () => {
    await change(() => putTimeout(3));
    install()[Symbol.dispose]();
    await change(() => cluster.client().delete(kinds.Installation, { name: "default" }));
    writeFileSync(join(binDir, "portmap"), "");
    install();
    expect([types(), timeout()]).toEqual([["calico", "portmap"], 3]);
  });

  it("leave another's configuration alone", () => {
    place(JSON.stringify({ name: "mine", plugins: [{ type: "calico", mtu: 9000 }] }));
    writeFileSync(join(binDir, "portmap"), "");
    install();
    expect(types()).toEqual(["calico"]);
  });
});

it("of an earlier release, which fixed both families, it leaves the families to the pools", () => {
  install()[Symbol.dispose]();
  const old = written();
  Object.assign(old.plugins[0].ipam, { assign_ipv4: "true", assign_ipv6: "true" });
  place(JSON.stringify(old));
  install();
  expect(written().plugins[0].ipam).toEqual({ type: "calico-ipam" });
});

describe("after a restart", () => {
  it("what an administrator wrote stays, and only our timeout is kept up to date", async () => {
    const theirs = { name: "mine", plugins: [{ type: "calico", mtu: 9000 }, { type: "tuning" }] };
    place(JSON.stringify(theirs));
    const { ino } = statSync(path);
    install();
    expect(statSync(path).ino).toBe(ino);
    await change(() => putTimeout(3));
    expect(written()).toEqual({
      ...theirs,
      plugins: [{ type: "calico", mtu: 9000, policy_setup_timeout_seconds: 3 }, { type: "tuning" }],
    });
  });

  it("what changed meanwhile is taken up", async () => {
    install()[Symbol.dispose]();
    await change(() => putTimeout(3));
    install();
    expect(timeout()).toBe(3);
  });

  it("what a run that died in between left behind does no harm and goes", () => {
    mkdirSync(confDir, { recursive: true });
    writeFileSync(`${path}.tmp`, '{"name": "k8s-pod-netw');
    install();
    expect(timeout()).toBe(10);
    expect(readdirSync(confDir)).toEqual(["10-calico.conflist"]);
  });

  it.each([
    ["half a file that somebody is writing", '{"name": "x", "plugins": [{"ty'],
    ["an empty file that somebody is writing", ""],
    ["another plug-in's", '{"name": "x", "plugins": [{"type": "flannel"}]}'],
    ["no configuration", "[]"],
  ])("%s is not ours to understand and stays as it is", async (_what, text) => {
    place(text);
    await change(() => putTimeout(3));
    install();
    expect(readFileSync(path, "utf8")).toBe(text);
    expect(errors).toEqual([]);
  });
});

describe("half a file", () => {
  it.each(["", '{"name": "x", "plugins": [{"ty'])(
    "that stays as it is (%s) is put aside, and said: no pod starts with it",
    (text) => {
      place(text);
      install();
      clock.advance(10_000);
      expect(timeout()).toBe(10);
      expect(readFileSync(`${path}.broken`, "utf8")).toBe(text);
      expect(errors.map(String)).toEqual([expect.stringContaining("10-calico.conflist.broken")]);
    },
  );

  it("that becomes a whole one is left alone", () => {
    place('{"name": "x", ');
    install();
    const theirs = '{"name": "x", "plugins": [{"type": "flannel"}]}';
    place(theirs);
    clock.advance(30_000);
    expect([readFileSync(path, "utf8"), errors]).toEqual([theirs, []]);
  });
});

it.each([
  ["no spec", undefined],
  ["a timeout that is none", { calicoNetwork: { linuxPolicySetupTimeoutSeconds: "soon" } }],
])("an Installation with %s says nothing of it: the node has its network all the same", async (_, spec) => {
  await change(() =>
    cluster.put(kinds.Installation, {
      apiVersion: "operator.tigera.io/v1",
      kind: "Installation",
      metadata: { name: "default" },
      spec,
    } as unknown as Installation),
  );
  install();
  expect([timeout(), errors]).toEqual([10, []]);
});

describe("what cannot be written", () => {
  it("is reported, and tried again with the next change", async () => {
    writeFileSync(join(directory, "etc"), "in the way");
    install();
    expect(errors).toMatchObject([{ code: "ENOTDIR" }]);
    clock.advance(10_000);
    expect(errors).toHaveLength(1);
    rmSync(join(directory, "etc"));
    await change(() => putTimeout(3));
    expect(timeout()).toBe(3);
    expect(errors).toHaveLength(1);
  });

  it("because a directory has its name is reported, and the directory stays", () => {
    mkdirSync(path, { recursive: true });
    install();
    expect(errors).toMatchObject([{ code: "EISDIR" }]);
    expect(statSync(path).isDirectory()).toBe(true);
  });
});
