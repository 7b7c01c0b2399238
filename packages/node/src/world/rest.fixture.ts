import { kinds } from "@fairlead/api";
import type { Attachment } from "@fairlead/cni";
import { createIpam, createKubernetesFacts, createKubernetesStore } from "@fairlead/ipam";
import { findViolations } from "@fairlead/ipam/fake";
import { plainPlan } from "./migration-plan.fixture.ts";
import { Violation } from "./monitor.fixture.ts";
import { randomFor } from "./virtual-time.fixture.ts";
import type { World } from "./world.fixture.ts";

const normalMetric = 1024;
const minute = 60_000;

/**
 * At rest every VM whose guest runs has that pod as active owner of its addresses and exactly one best route, the normal one; no other pod of it
 * has any.
 *
 * @throws Violation
 */
export async function checkRest(world: World): Promise<void> {
  const client = world.server.cluster.client();
  const ipam = createIpam({ store: createKubernetesStore({ client }), settingsMaxAgeMs: 0 });
  const routes = world.monitor.routes();
  for (const { name, instance, promised = [] } of world.kubevirt.machines) {
    const { guest } = instance ?? {};
    for (const address of promised) {
      const found = (routes.get(address) ?? []).map(
        ({ pod, node, metric }) => `${pod?.name} on ${node.name} with ${metric}`,
      );
      const wanted = guest ? [`${guest.name} on ${guest.node?.name} with ${normalMetric}`] : [];
      if (found.join() !== wanted.join())
        throw new Violation(
          "WrongRoutesAtRest",
          `${address} of ${name} leads to ${found.join(" and ") || "nowhere"}, not to ${wanted[0] ?? "nowhere"}`,
        );
      if (!guest) continue;
      const { active } = await world.time.until(ipam.owners.get(address));
      if (active?.pod !== guest.name)
        throw new Violation(
          "WrongOwner",
          `${address} of ${name} is owned by ${active?.pod ?? "nobody"}, its guest runs in ${guest.name}`,
        );
    }
  }
  for (const pod of world.pods.values()) {
    for (const address of pod.addresses) {
      const found = routes.get(address) ?? [];
      if (found.length !== 1 || found[0]?.pod !== pod)
        throw new Violation("WrongRoutesAtRest", `${address} of ${pod.name} does not lead to it`);
    }
    const containers = new Set(pod.sandboxes.map(({ containerId }) => containerId));
    const held = [...world.monitor.allocations().values()].filter((handle) =>
      containers.has(handle.replace(/^[^.]*\./, "")),
    );
    if (held.length > 2 * pod.addresses.length)
      throw new Violation("Leaked", `${pod.name} holds ${held.length} addresses in its sandboxes`);
  }
}

/** Each VM that runs moves once more, undisturbed. @throws Violation */
export async function checkMobility(world: World, seed: string): Promise<void> {
  const moves = world.kubevirt.machines
    .filter(({ instance }) => instance)
    .map((machine) => {
      const migration = world.kubevirt.migrate(
        machine,
        plainPlan(randomFor(seed, "last move", machine.name)),
      );
      return { machine, migration };
    });
  await world.settle();
  for (const { machine, migration } of moves)
    if (!migration?.hasSucceeded)
      throw new Violation("CannotMigrate", `${machine.name} does not migrate, though nothing is in its way`);
}

/** Everything is deleted; nothing may be left. @throws Violation */
export async function checkNothingLeaks(world: World, seed: string): Promise<void> {
  const random = randomFor(seed, "end");
  world.tell("everything is deleted");
  for (const machine of world.kubevirt.machines) world.kubevirt.stop(machine, random, { forGood: true });
  world.deletePods();
  await world.settle();
  for (const { name, kernel, attachments, agent } of world.nodes) {
    const isOver = ({ containerId }: Attachment) => !world.kubelet.forgotten.has(containerId);
    const known = attachments?.list() ?? [];
    const followed = (agent?.migrations.list() ?? []).map(({ attachment }) => attachment);
    const left = [
      ...kernel.routes.map(({ address }) => `route to ${address}`),
      ...kernel.hostInterfaces,
      ...known.filter(isOver).map(({ containerId }) => `attachment of ${containerId}`),
      ...followed.filter(isOver).map(({ containerId }) => `endpoint of ${containerId}`),
    ];
    if (left.length > 0) throw new Violation("Leaked", `${name}: ${left.join(", ")}`);
  }
  const client = world.server.cluster.client();
  const facts = createKubernetesFacts(client);
  const ipam = createIpam({ store: createKubernetesStore({ client }), settingsMaxAgeMs: 0, facts });
  let now = 0;
  const collector = ipam.collector({ facts, monotonic: () => now });
  for (let scan = 0; scan < 4; scan++) {
    await world.time.until(collector.scan());
    now += 20 * minute;
  }
  const violations = await world.time.until(
    findViolations(createKubernetesStore({ client }), { settled: true }),
  );
  if (violations.length > 0) throw new Violation("Leaked", violations.join("; "));
  const left = [...world.monitor.allocations()].map(([address, handle]) => `${address} of ${handle}`);
  const handles = world.server.cluster.store.objects(kinds.IPAMHandle).map(({ metadata }) => metadata.name);
  if (left.length > 0 || handles.length > 0)
    throw new Violation("Leaked", `addresses: ${left.join(", ")}; handles: ${handles.join(", ")}`);
}
