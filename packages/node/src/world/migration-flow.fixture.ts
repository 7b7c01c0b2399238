import type { MigrationState, VirtualMachineInstanceMigration } from "@fairlead/api";
import type { Instance } from "./instance.fixture.ts";
import type { KubeVirt } from "./kubevirt.fixture.ts";
import type { MigrationPlan } from "./migration-plan.fixture.ts";
import { Once, type SimulatedPod } from "./pod.fixture.ts";
import { between, nobody } from "./virtual-time.fixture.ts";

type Phase = NonNullable<NonNullable<VirtualMachineInstanceMigration["status"]>["phase"]>;

/** One migration from its request to its end. */
export class Migration {
  readonly name: string;
  readonly uid: string;
  readonly instance: Instance;
  readonly createdAt: string;
  phase: Phase = "";
  status: NonNullable<VirtualMachineInstanceMigration["status"]> = {};
  isDeleting = false;
  isFinal = false;
  hasSucceeded = false;
  readonly cancelled = new Once();
  readonly #kubevirt: KubeVirt;
  readonly #plan: MigrationPlan;
  #target: SimulatedPod | undefined;

  constructor(kubevirt: KubeVirt, instance: Instance, plan: MigrationPlan) {
    this.#kubevirt = kubevirt;
    this.instance = instance;
    this.#plan = plan;
    this.uid = kubevirt.uid("migration");
    this.name = `move-${this.uid.slice(10)}`;
    this.createdAt = kubevirt.objects.timestamp();
  }

  /** Somebody deletes the migration object. */
  cancel(): void {
    if (this.isFinal || this.cancelled.has) return;
    this.isDeleting = true;
    this.#write();
    this.#tell("is cancelled");
    this.#kubevirt.parts.count("migration cancelled");
    this.cancelled.happen();
  }

  async run(): Promise<void> {
    const { parts, objects } = this.#kubevirt;
    const { random, forgottenAfter } = this.#plan;
    this.#write();
    this.#tell("is asked for");
    const failure = (await this.#prepare()) ?? (await this.#move());
    this.hasSucceeded = failure === undefined;
    parts.count(this.hasSucceeded ? "migration succeeded" : `migration failed: ${failure}`);
    this.#tell(this.hasSucceeded ? "has succeeded" : `has failed: ${failure}`);
    this.#setPhase(this.hasSucceeded ? "Succeeded" : "Failed");
    this.isFinal = true;
    await this.#kubevirt.turn(random);
    const { migrationState } = this.instance.status;
    if (migrationState?.migrationUid === this.uid) {
      this.status = { ...this.status, migrationState: { ...migrationState } };
      this.#write();
    }
    if (this.isDeleting || forgottenAfter !== undefined) {
      await parts.time.sleep(forgottenAfter ?? 100);
      if (!this.instance.over.has) objects.removeMigration(this.name);
    }
  }

  /** Up to the moment when memory is copied. Why it failed, if it did. */
  async #prepare(): Promise<string | undefined> {
    const { instance } = this;
    const { random, lostSandboxes, fate } = this.#plan;
    const kubevirt = this.#kubevirt;
    await kubevirt.turn(random);
    if (this.#isOff) return "ended before it began";
    this.status = { migrationState: { sourcePod: instance.guest?.name ?? "" } };
    this.#setPhase("Pending");
    while (this.#mustWait()) {
      await kubevirt.turn(random, 500, 1_500);
      if (this.#isOff) return "ended while it waited";
    }
    const source = instance.guest;
    if (!source) return "there is no guest";
    const target = kubevirt.newPod(instance, random, this, lostSandboxes);
    this.#target = target;
    this.#setPhase("Scheduling");
    await kubevirt.place(target, instance, random);
    const giveUp = kubevirt.parts.time.sleep(200_000);
    await Promise.race([
      target.started.happened,
      target.ending.happened,
      this.cancelled.happened,
      instance.stopping.happened,
      giveUp,
    ]);
    if (this.#isOff || !target.started.has || target.ending.has) return this.#abandon("no target");
    await kubevirt.turn(random);
    this.#setPhase("Scheduled");
    await kubevirt.turn(random);
    if (this.#isOff || !instance.guest) return this.#abandon("ended before the hand-off");
    this.#say({
      migrationUid: this.uid,
      sourceNode: source.node?.name ?? "",
      targetNode: target.node?.name ?? "",
      sourcePod: source.name,
      targetPod: target.name,
    });
    await kubevirt.turn(random);
    this.#setPhase("PreparingTarget");
    await kubevirt.parts.time.sleep(between(random, 300, 2_000));
    if (fate === "targetFails") kubevirt.parts.kubelet.finish(target, "Failed");
    if (target.ending.has) return this.#failed("the target has failed");
    this.#say({ targetNodeAddress: "192.0.2.1" });
    await kubevirt.turn(random);
    this.#setPhase("TargetReady");
    return undefined;
  }

  /** KubeVirt does one migration of a VM at a time, and waits until the last one's source has ended. */
  #mustWait(): boolean {
    const { migrations, livePods, guest } = this.instance;
    const earlier = migrations.slice(0, migrations.indexOf(this));
    return earlier.some(({ isFinal }) => !isFinal) || livePods.some((pod) => pod !== guest);
  }

  get #isOff(): boolean {
    return this.cancelled.has || this.instance.stopping.has;
  }

  /** From the copying of memory to the end. */
  async #move(): Promise<string | undefined> {
    const { instance } = this;
    const kubevirt = this.#kubevirt;
    const { time } = kubevirt.parts;
    const { random, fate, saysStartedLate } = this.#plan;
    const target = this.#target!;
    const source = instance.guest;
    await time.sleep(between(random, 20, 300));
    if (!source) return this.#failed("the source is gone");
    const begin = () => {
      this.#say({ startTimestamp: kubevirt.objects.timestamp(), mode: "PreCopy" });
      kubevirt.go(async () => {
        await kubevirt.turn(random);
        if (!this.isFinal) this.#setPhase("Running");
      });
    };
    if (!saysStartedLate) begin();
    await time.sleep(between(random, 200, 4_000));
    if (instance.stopping.has) return "the instance ended";
    if (this.cancelled.has || fate === "copyFails" || target.ending.has || source.ending.has)
      return this.#failed(this.cancelled.has ? "cancelled" : "memory could not be copied");
    kubevirt.setGuest(instance, target);
    this.#tell(`: the guest runs in ${target.name} on ${target.node?.name}`);
    kubevirt.parts.count("switch");
    kubevirt.announce(instance, target, random, this.#plan.frames);
    if (this.#plan.frames === 0) kubevirt.parts.count("announcements lost");
    if (saysStartedLate) time.after(between(random, 50, 440), begin, nobody);
    this.#endSource(source);
    if (fate === "targetDies") return this.#die(target);
    return this.#acknowledge(target);
  }

  /** virt-handler of the source does not wait for the acknowledgement. */
  #endSource(source: SimulatedPod): void {
    const { instance } = this;
    const kubevirt = this.#kubevirt;
    const { time, kubelet } = kubevirt.parts;
    const { random } = this.#plan;
    kubevirt.go(async () => {
      await time.sleep(between(random, 40, 3_000));
      if (instance.toldSince === undefined && !instance.stopping.has) {
        const [first] = instance.status.interfaces ?? [];
        const { ipAddress: _, ...rest } = first ?? {};
        if (random() < 0.5) delete rest.mac;
        delete rest.infoSource;
        instance.status.interfaces = [rest];
        kubevirt.objects.write(instance);
        kubevirt.parts.count("interfaces emptied by the source");
      }
      await time.sleep(random() < 0.7 ? between(random, 5_000, 6_500) : between(random, 100, 1_000));
      kubelet.finish(source, "Succeeded");
    });
  }

  /** The target's virt-handler says that the guest is there. */
  async #acknowledge(target: SimulatedPod): Promise<string | undefined> {
    const { instance } = this;
    const kubevirt = this.#kubevirt;
    const { time } = kubevirt.parts;
    const { random, acknowledgedAfter, readyFirst } = this.#plan;
    const timestamp = () => kubevirt.objects.timestamp();
    if (acknowledgedAfter > 5_000) kubevirt.parts.count("acknowledged late");
    const early = readyFirst ? between(random, 10, Math.min(acknowledgedAfter, 400)) : 0;
    if (readyFirst) {
      await time.sleep(early);
      if (instance.guest !== target) return this.#lost();
      this.#say({ targetNodeDomainDetected: true, targetNodeDomainReadyTimestamp: timestamp() });
    }
    await time.sleep(acknowledgedAfter - early);
    if (instance.guest !== target) return this.#lost();
    instance.status.nodeName = target.node?.name ?? "";
    kubevirt.reportInterfaces(instance, target);
    if (!instance.stopping.has) instance.toldSince = time.now;
    this.#say({
      targetNodeDomainDetected: true,
      targetNodeDomainReadyTimestamp: timestamp(),
      endTimestamp: timestamp(),
    });
    await time.sleep(between(random, 20, 500));
    if (instance.guest !== target) return this.#lost();
    this.#say({ completed: true });
    await kubevirt.turn(random);
    return undefined;
  }

  /** It dies just after the switch: the launcher waits for long before it says so. */
  async #die(target: SimulatedPod): Promise<string> {
    const kubevirt = this.#kubevirt;
    const { time, kubelet } = kubevirt.parts;
    await time.sleep(between(this.#plan.random, 20, 900));
    kubelet.finish(target, "Failed");
    return this.#lost();
  }

  /** The guest is gone. */
  async #lost(): Promise<string> {
    const { instance } = this;
    const kubevirt = this.#kubevirt;
    if (instance.stopping.has) return "the instance ended";
    await kubevirt.parts.time.sleep(between(this.#plan.random, 5_000, 57_000));
    this.#say({ failed: true, completed: true, endTimestamp: kubevirt.objects.timestamp() });
    kubevirt.fail(instance, this.#plan.random);
    return "the target has died";
  }

  /** Before the hand-off nothing is said in the VMI. */
  #abandon(why: string): string {
    const kubevirt = this.#kubevirt;
    const target = this.#target;
    if (target && !this.instance.stopping.has) {
      kubevirt.objects.deletePod(target);
      kubevirt.parts.kubelet.finish(target, "Failed");
      kubevirt.go(async () => {
        await target.ended.happened;
        kubevirt.parts.kubelet.forget(target);
      });
    }
    return why;
  }

  /** After the hand-off: the VMI says so, and the target ends. The guest stays where it was. */
  #failed(why: string): string {
    const { instance } = this;
    const kubevirt = this.#kubevirt;
    const { kubelet, time } = kubevirt.parts;
    if (instance.stopping.has) return why;
    const aborted = this.cancelled.has ? { abortRequested: true, abortStatus: "Succeeded" as const } : {};
    this.#say({ failed: true, completed: true, endTimestamp: kubevirt.objects.timestamp(), ...aborted });
    const target = this.#target;
    kubevirt.go(async () => {
      await time.sleep(between(this.#plan.random, 50, 2_000));
      if (target) kubelet.finish(target, "Failed");
    });
    if (!instance.guest) kubevirt.fail(instance, this.#plan.random);
    return why;
  }

  /** The VMI's word about this migration: the hand-off replaces what stood there before. */
  #say(change: MigrationState): void {
    const { status, stopping } = this.instance;
    if (stopping.has) return;
    const known = status.migrationState?.migrationUid === this.uid ? status.migrationState : {};
    status.migrationState = { ...known, ...change };
    this.#kubevirt.objects.write(this.instance);
  }

  #setPhase(phase: Phase): void {
    this.phase = phase;
    const phaseTransitionTimestamp = this.#kubevirt.objects.timestamp();
    const entered = { phase, phaseTransitionTimestamp };
    this.status = {
      ...this.status,
      phaseTransitionTimestamps: [...(this.status.phaseTransitionTimestamps ?? []), entered],
    };
    this.#write();
  }

  #write(): void {
    if (!this.instance.over.has) this.#kubevirt.objects.migration(this);
  }

  #tell(text: string): void {
    this.#kubevirt.parts.tell(`${this.instance.machine.name}: ${this.name} ${text}`);
  }
}
