/** One node agent as a process: assigns and releases at random, and tells its parent before and after every call. May be killed. */
import { createApiClient } from "@fairlead/api";
import { seeded } from "../src/fake.ts";
import { createIpam, createKubernetesStore, type WorkloadRequest } from "../src/index.ts";
import type { Report } from "./processes.bench.ts";

const [kubeconfig, node, incarnation] = process.argv.slice(2) as [string, string, string];
const client = createApiClient({ kubeconfig });
const ipam = createIpam({ store: createKubernetesStore({ client }) });
const random = seeded(Number(incarnation) * 7919 + node.length + node.charCodeAt(node.length - 1));
/** One clock for all processes of the machine. */
const now = () => Number(process.hrtime.bigint() / 1000n) / 1000;
const tell = (report: Report) => void process.send?.(report);

let n = 0;
async function onePod() {
  const id = `${node}-${incarnation}-${++n}`;
  const request: WorkloadRequest = {
    network: "net",
    containerId: id,
    node,
    pod: { namespace: "default", name: id, uid: id, creationTimestamp: new Date().toISOString() },
    families: [4],
  };
  const called = now();
  const address = await ipam.workloads.assign(request).then(
    ({ addresses }) => addresses[0]!.address,
    () => undefined,
  );
  if (address === undefined) return;
  tell({ type: "got", id, address, called, answered: now() });
  await new Promise((resolve) => setTimeout(resolve, random() * 20));
  tell({ type: "leaving", id, address, at: now() });
  await ipam.workloads.release({ ...request, vm: undefined }).catch(() => undefined);
}

/** All nodes start the same VMs again and again: each must always be told the same address. */
async function oneVm() {
  const name = `vm-${Math.floor(random() * 4)}`;
  const id = `virt-launcher-${node}-${incarnation}-${++n}`;
  const vm = { name, vmUid: name, vmiUid: name, role: "active" } as const;
  await ipam.workloads
    .assign({
      network: "net",
      containerId: id,
      node,
      pod: { namespace: "default", name: id, uid: id, creationTimestamp: new Date().toISOString() },
      vm,
      families: [4],
    })
    .then(
      ({ addresses }) => tell({ type: "vm", id: name, address: addresses[0]!.address }),
      () => undefined,
    );
}

process.on("disconnect", () => process.exit(0));
const lane = async () => {
  for (;;) await (random() < 0.15 ? oneVm() : onePod());
};
await Promise.all(Array.from({ length: 8 }, lane));
