import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ApiClient, createApiClient, type KubernetesObject, kinds } from "@fairlead/api";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ApiServer, startApiServer } from "../apiserver/index.ts";
import { Applier, readManifests } from "./manifest.ts";

describe("manifests", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "fairlead-manifests-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function write(file: string, text: string): string {
    const path = join(directory, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }
  const yaml = (kind: string, name: string) => `apiVersion: v1\nkind: ${kind}\nmetadata: { name: ${name} }\n`;
  const names = (...directories: string[]) =>
    readManifests(directories.map((one) => join(directory, one))).map(({ metadata }) => metadata.name);

  it("come directory by directory, file by file and document by document", () => {
    write("b/20.yaml", yaml("ConfigMap", "four"));
    write("b/10.yml", [yaml("ConfigMap", "two"), yaml("ConfigMap", "three")].join("---\n"));
    write("b/deeper/5.yaml", yaml("ConfigMap", "five"));
    write("a/90.yaml", yaml("ConfigMap", "six"));
    write("z/1.yaml", yaml("ConfigMap", "one"));
    expect(names("z", "b", "a")).toEqual(["one", "two", "three", "four", "five", "six"]);
  });

  it("begin with what others need, wherever it stands", () => {
    write("1.yaml", [yaml("ConfigMap", "data"), yaml("ClusterRoleBinding", "binding")].join("---\n"));
    write("2.yaml", [yaml("Role", "role"), yaml("ClusterRole", "rights")].join("---\n"));
    write(
      "3.yaml",
      [yaml("ServiceAccount", "account"), yaml("CustomResourceDefinition", "kind")].join("---\n"),
    );
    write("4.yaml", yaml("Namespace", "space"));
    expect(names(".")).toEqual(["space", "kind", "account", "rights", "role", "data", "binding"]);
  });

  it("leave out workloads, empty documents and files that are no YAML", () => {
    write(
      "1.yaml",
      `# nothing but a remark\n---\n---\n${yaml("DaemonSet", "node")}---\n${yaml("Pod", "pod")}`,
    );
    write("2.yaml", yaml("Deployment", "controller"));
    write("3.yaml", "");
    write("README.md", "no object");
    expect(names(".")).toEqual(["pod"]);
  });

  it.each([
    ["that is no YAML", "kind: [Pod\n"],
    ["that says something twice", `${yaml("Pod", "a")}kind: Service\n`],
    ["that refers to nothing", `${yaml("Pod", "a")}spec: *nothing\n`],
    ["without a kind", "apiVersion: v1\nmetadata: { name: a }\n"],
    ["without a name", "apiVersion: v1\nkind: Pod\nmetadata: {}\n"],
    ["whose name is a number", yaml("Pod", "5")],
    ["that is a list", `- ${JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: "a" } })}\n`],
    ["that is a text", "Pod\n"],
  ])("with a document %s are refused, and the file is named", (_what, text) => {
    write("1.yaml", yaml("ConfigMap", "good"));
    const path = write("2.yaml", `${yaml("ConfigMap", "good")}---\n${text}`);
    expect(() => readManifests([directory])).toThrow(
      expect.objectContaining({
        name: "LabError",
        code: "StartFailed",
        message: expect.stringContaining(path),
      }),
    );
  });
});

describe("the applier", () => {
  let server: ApiServer;
  let client: ApiClient;
  beforeAll(async () => {
    server = await startApiServer();
    client = createApiClient({ kubeconfig: server.adminKubeconfig });
  });
  afterAll(async () => {
    await client.close();
    await server.close();
  });

  const configMap = (name: string, data: Record<string, string>, namespace?: string): KubernetesObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, ...(namespace && { namespace }) },
    ...{ data },
  });
  const definition = (plural: string, kind: string): KubernetesObject => ({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.example.com` },
    ...{
      spec: {
        group: "example.com",
        scope: "Namespaced",
        names: { plural, singular: kind.toLowerCase(), kind },
        versions: [
          { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } },
        ],
      },
    },
  });
  const custom = (kind: string): KubernetesObject => ({
    apiVersion: "example.com/v1",
    kind,
    metadata: { name: "one" },
  });
  const read = (path: string) => client.raw({ method: "GET", path }).then(({ body }) => body);

  it("creates what is not there, in its namespace or in default, and cluster-wide what has none", async () => {
    const applier = new Applier(client);
    await applier.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apart" } });
    await applier.apply(configMap("made", { where: "default" }));
    await applier.apply(configMap("made", { where: "apart" }, "apart"));
    const where = async (namespace: string) =>
      (await client.get(kinds.ConfigMap, { namespace, name: "made" })).data?.where;
    expect([await where("default"), await where("apart")]).toEqual(["default", "apart"]);
  });

  it("changes what is there, keeps what it does not name, and may come again", async () => {
    const ref = { namespace: "default", name: "kept" };
    await client.create(kinds.ConfigMap, { metadata: ref, data: { ours: "old", theirs: "kept" } });
    const applier = new Applier(client);
    for (let times = 0; times < 2; times++) {
      await applier.apply(configMap("kept", { ours: "new" }));
      expect((await client.get(kinds.ConfigMap, ref)).data).toEqual({ ours: "new", theirs: "kept" });
    }
  });

  it("waits for a kind that is defined meanwhile, of a new group and of one it has seen", async () => {
    const applier = new Applier(client);
    await Promise.all([applier.apply(custom("Mast")), applier.apply(definition("masts", "Mast"))]);
    await Promise.all([applier.apply(custom("Sail")), applier.apply(definition("sails", "Sail"))]);
    for (const plural of ["masts", "sails"])
      expect(await read(`/apis/example.com/v1/namespaces/default/${plural}/one`)).toMatchObject({
        metadata: { name: "one" },
      });
  });

  it("waits for the namespace", async () => {
    const applier = new Applier(client);
    await Promise.all([
      applier.apply(configMap("early", {}, "late")),
      applier.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "late" } }),
    ]);
    expect(await client.get(kinds.ConfigMap, { namespace: "late", name: "early" })).toBeDefined();
  });

  it.each([
    [
      "of a group that nobody defines",
      { apiVersion: "nowhere.example.com/v1", kind: "Oar" },
      "cannot apply Oar",
    ],
    ["of a kind that nobody defines", { apiVersion: "v1", kind: "Oar" }, "the API server knows no Oar in v1"],
    ["named after a subresource", { apiVersion: "v1", kind: "Eviction" }, "the API server knows no Eviction"],
  ])("gives up on an object %s when its patience ends", async (_what, type, message) => {
    const object = { ...type, metadata: { name: "lost" } };
    await expect(new Applier(client).apply(object, 0)).rejects.toMatchObject({
      name: "LabError",
      code: "StartFailed",
      message: expect.stringContaining(message),
    });
  });

  it("does not wait with an object that the server refuses, and names it", async () => {
    const bad = configMap("Not_A_Name", {});
    await expect(new Applier(client).apply(bad, 3_600_000)).rejects.toMatchObject({
      code: "StartFailed",
      message: expect.stringMatching(/^cannot apply ConfigMap Not_A_Name: .*Not_A_Name/),
      cause: { code: "Invalid" },
    });
  });
});
