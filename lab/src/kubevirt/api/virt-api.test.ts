/** virt-api behind the embedded API server, with real requests and enforced rights. */
import { join } from "node:path";
import { type ApiClient, createApiClient, kinds } from "@fairlead/api";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ApiServer, startApiServer } from "../../apiserver/index.ts";
import { Connection } from "../../controllers/index.ts";
import { Applier, readManifests } from "../../first/manifest.ts";
import { faultsAnnotation } from "../faults.ts";
import { podFixture, runningVmi } from "../vmi-fixture.ts";
import { createVirtApi, virtApiAccount } from "./virt-api.ts";

let server: ApiServer;
let admin: ApiClient;
const open: (() => unknown)[] = [];
const vm = { namespace: "default", name: "vm" };
const path = (action: string, name = vm.name) =>
  `/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachines/${name}/${action}`;

beforeAll(async () => {
  let virtApi: Promise<ApiClient> | undefined;
  server = await startApiServer({
    extensions: [
      createVirtApi(() => {
        virtApi ??= server
          .kubeconfigFor(virtApiAccount)
          .then((kubeconfig) => createApiClient({ kubeconfig }));
        return virtApi;
      }),
    ],
  });
  open.push(() => virtApi?.then((client) => client.close()));
  admin = createApiClient({ kubeconfig: server.adminKubeconfig });
  open.push(() => admin.close());
  const applier = new Applier(admin);
  for (const object of readManifests([join(import.meta.dirname, "../../../manifests/kubevirt")]))
    await applier.apply(object);
  await admin.create(kinds.VirtualMachine, { metadata: vm, spec: { runStrategy: "Halted" } });
});
afterAll(async () => {
  for (const close of open) await close();
  await server.close();
});

/** Somebody to whom these of KubeVirt's roles are bound. */
async function userWith(...roles: string[]): Promise<Connection> {
  const user = `user-${roles.length}`;
  for (const role of roles)
    await admin.raw({
      method: "POST",
      path: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
      body: {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { generateName: "test-" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
      },
    });
  const connection = new Connection(await server.kubeconfigFor({ user }));
  open.push(() => connection.close());
  return connection;
}
const put = (connection: Connection, action: string, name?: string) =>
  connection.call({ method: "PUT", path: path(action, name), body: {} });

it("whoever lacks the right is refused; kubevirt.io:edit may start, and only kubevirt.io:migrate may migrate", async () => {
  expect((await put(await userWith(), "start")).json).toMatchObject({ code: 403, reason: "Forbidden" });
  const editor = await userWith("kubevirt.io:edit");
  expect((await put(editor, "migrate")).code).toBe(403);
  const started = await put(editor, "start");
  expect([started.code, started.text]).toEqual([202, ""]);
  expect((await admin.get(kinds.VirtualMachine, vm)).spec.runStrategy).toBe("Always");
  const both = await userWith("kubevirt.io:edit", "kubevirt.io:migrate");
  expect((await put(both, "migrate")).json).toMatchObject({
    code: 409,
    message: 'Operation cannot be fulfilled on virtualmachine.kubevirt.io "vm": VM is not running',
  });
});

it("a VM or an action there is not is 404", async () => {
  const connection = new Connection(server.adminKubeconfig);
  open.push(() => connection.close());
  expect((await put(connection, "start", "vm9")).json).toMatchObject({ code: 404, details: { name: "vm9" } });
  expect((await put(connection, "hibernate")).code).toBe(404);
});

it("an eviction is answered with 429, and the VMI is marked; dry run marks nothing", async () => {
  const { metadata, status } = runningVmi("node-a");
  const vmi = await admin.create(kinds.VirtualMachineInstance, {
    metadata: { ...vm, labels: metadata.labels! },
    spec: { evictionStrategy: "LiveMigrate" },
    ...(status && { status }),
  });
  const { spec, metadata: pod } = podFixture(vmi, { node: "node-a" });
  const { uid: _, resourceVersion: __, creationTimestamp: ___, ...given } = pod;
  await admin.create(kinds.Pod, { metadata: given, spec });
  const evict = (dryRun: string) =>
    admin.raw({
      method: "POST",
      path: `/api/v1/namespaces/default/pods/${pod.name}/eviction${dryRun}`,
      body: { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: pod.name, namespace: "default" } },
    });
  const marked = async () => (await admin.get(kinds.VirtualMachineInstance, vm)).status?.evacuationNodeName;
  await expect(evict("?dryRun=All")).rejects.toMatchObject({ code: "TooManyRequests" });
  expect(await marked()).toBeUndefined();
  await expect(evict("")).rejects.toThrow(/Eviction triggered evacuation of VMI "default\/vm"/);
  expect(await marked()).toBe("node-a");
});

it("real-cluster 4: migrations of one VMI that are asked for at once are both let in, a later one is refused", async () => {
  const { status } = runningVmi("node-a");
  const moving = { namespace: "default", name: "moving" };
  await admin.create(kinds.VirtualMachineInstance, { metadata: moving, spec: {}, ...(status && { status }) });
  const migrate = (name: string) =>
    admin.create(kinds.VirtualMachineInstanceMigration, {
      metadata: {
        name,
        namespace: "default",
        annotations: { [faultsAnnotation]: JSON.stringify({ admissionMs: 300 }) },
      },
      spec: { vmiName: moving.name },
    });
  const both = await Promise.all([migrate("first"), migrate("second")]);
  for (const { metadata } of both)
    expect(metadata).toMatchObject({
      labels: { "kubevirt.io/vmi-name": "moving" },
      finalizers: ["kubevirt.io/migrationJobFinalize"],
    });
  await expect(migrate("third")).rejects.toMatchObject({
    code: "BadRequest",
    message: expect.stringMatching(/migration-create-validator.* denied .*in-flight migration detected/),
  });
});
