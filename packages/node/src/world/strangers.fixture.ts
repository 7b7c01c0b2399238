import { Machine } from "./instance.fixture.ts";
import { farewellOf, type KubeVirt } from "./kubevirt.fixture.ts";
import type { SimulatedNode } from "./node.fixture.ts";
import { SimulatedPod } from "./pod.fixture.ts";
import { between, type Random, randomFor } from "./virtual-time.fixture.ts";

/**
 * Who may create pods or VMIs in a VM's namespace, where the admission policy of `deploy/` is not installed, and wants what the VM has. They give
 * up after a while.
 */
export class Strangers {
  readonly #kubevirt: KubeVirt;
  /** Pods that claim to be a VM's. */
  readonly pods = new Set<SimulatedPod>();
  #busy = 0;

  constructor(kubevirt: KubeVirt) {
    this.#kubevirt = kubevirt;
  }

  /** Whether all have given up. */
  get areGone(): boolean {
    return this.#busy === 0;
  }

  /** A pod that names the VM's instance as its owner, and a migration under way if there is one; it sends what a guest sends. */
  forge(machine: Machine, node: SimulatedNode, random: Random): boolean {
    const { instance } = machine;
    // Before KubeVirt's own pod is there nothing tells the two apart but the admission policy.
    if (!instance?.guest || instance.stopping.has) return false;
    const kubevirt = this.#kubevirt;
    const { time, kubelet, count, tell, seed } = kubevirt.parts;
    const uid = kubevirt.uid("pod");
    const migration = random() < 0.7 ? instance.migrations.findLast(({ isFinal }) => !isFinal) : undefined;
    const pod = new SimulatedPod({
      name: `virt-launcher-forged-${uid.slice(4)}`,
      uid,
      ...(migration && { migrationUid: migration.uid }),
      random: randomFor(seed, uid),
      farewell: farewellOf(random),
      lostSandboxes: 0,
    });
    pod.node = node;
    this.pods.add(pod);
    this.#busy++;
    count("pod forged");
    tell(
      `${pod.name}: a stranger's, claims to be of ${machine.name}${migration ? `, for ${migration.name}` : ""}`,
    );
    kubevirt.objects.pod(instance, pod, migration);
    kubevirt.objects.bind(pod);
    kubevirt.go(() => kubelet.run(pod));
    kubevirt.go(async () => {
      // KubeVirt counts every pod that names the VMI as its owner.
      await kubevirt.turn(random);
      instance.status.activePods = { ...instance.status.activePods, [pod.uid]: node.name };
      kubevirt.objects.write(instance);
    });
    kubevirt.go(async () => {
      for (const until = time.now + between(random, 2_000, 40_000); time.now < until; ) {
        await time.sleep(between(random, 100, 2_000));
        if (pod.current) node.kernel.announce(pod.current.netns, machine.mac);
      }
      kubevirt.objects.deletePod(pod);
      await time.sleep(between(random, 20, 2_000));
      pod.ending.happen();
      await pod.ended.happened;
      kubelet.forget(pod);
      const { [pod.uid]: _, ...activePods } = instance.status.activePods ?? {};
      instance.status.activePods = activePods;
      kubevirt.objects.write(instance);
      this.#busy--;
    });
    return true;
  }

  /** A VMI that no VirtualMachine owns takes the name of a VM that is stopped. */
  squat(machine: Machine, random: Random): boolean {
    if (machine.isBusy || machine.instance || !machine.uid || machine.isBare) return false;
    const kubevirt = this.#kubevirt;
    const { time, count, tell } = kubevirt.parts;
    // While the name is taken KubeVirt cannot start the VM.
    machine.isBusy = true;
    this.#busy++;
    count("name taken");
    tell(`${machine.name}: a stranger's VMI takes its name`);
    const squatter = new Machine(machine.name, true, false);
    kubevirt.start(squatter, random);
    kubevirt.go(async () => {
      await time.sleep(between(random, 1_000, 30_000));
      while (!kubevirt.stop(squatter, random, { forGood: true })) await time.sleep(500);
      while (squatter.isBusy) await time.sleep(500);
      machine.isBusy = false;
      this.#busy--;
    });
    return true;
  }
}
