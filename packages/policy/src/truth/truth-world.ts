import type { PolicyEngine } from "../engine.ts";
import { createPolicyEngine, type PolicySettings } from "../index.ts";
import { createNftablesDataplane } from "../nftables.ts";
import { attemptAll, type Outcome, type Way } from "../testbed/attempt.ts";
import { type Pod, PodNetwork } from "../testbed/pod-network.ts";
import { Witness } from "../testbed/witness.ts";
import { accounts, everybody, everyPod, namedPorts, namespaceNames, type Policies } from "./vocabulary.ts";

type Labels = Readonly<Record<string, string>>;

/** Two parties of a question: who asks whom. */
export type Pair = readonly [from: string, to: string];

/** The cast of the truth tables on a node of its own, with an engine that follows it. */
export class TruthWorld implements AsyncDisposable {
  readonly engine: PolicyEngine;
  readonly #network = new PodNetwork();
  readonly #witness = new Witness(this.#network.node);
  readonly #pods = new Map<string, Pod>();
  #enforced: Policies = {};

  private constructor(settings: Partial<PolicySettings>) {
    this.engine = createPolicyEngine({
      dataplane: createNftablesDataplane({ netns: this.#network.node }),
      nodeName: "node",
      settings,
    });
    for (const key of everyPod) this.#pods.set(key, this.#network.add());
    this.#pods.set("world", this.#network.world);
  }

  static async open(settings: Partial<PolicySettings> = {}): Promise<TruthWorld> {
    const world = new TruthWorld(settings);
    await world.engine.start();
    world.forget();
    world.engine.synced();
    await world.settled();
    return world;
  }

  /** Gives a pod these labels besides `pod`, and takes away what it had. */
  labelPod(key: string, labels: Labels = {}): void {
    const [namespace = "", name = ""] = key.split("/");
    const pod = this.#pods.get(key);
    if (pod === undefined) throw new RangeError(`no pod ${key}`);
    const all = { pod: name, ...labels };
    const ports = namedPorts[name] ?? [];
    this.engine.endpoints.upsert(
      PodNetwork.endpoint(pod, {
        pod: { namespace, name },
        labels: all,
        ports,
        serviceAccount: accounts[name] ?? "default",
      }),
    );
  }

  /** Labels as they were in the beginning. */
  forget(): void {
    for (const name of namespaceNames) this.labelNamespace(name);
    for (const key of everyPod) this.labelPod(key);
  }

  labelNamespace(name: string, labels: Labels = {}): void {
    this.engine.objects.upsert("Namespace", { metadata: { name, labels: { ns: name, ...labels } } });
  }

  /** Makes these the Kubernetes policies there are, by `namespace/name`, in one transaction. */
  async enforce(policies: Policies): Promise<void> {
    if (policies === this.#enforced) return;
    for (const key of Object.keys(this.#enforced)) {
      if (!(key in policies)) this.engine.objects.remove("KubernetesNetworkPolicy", refOf(key));
    }
    for (const [key, spec] of Object.entries(policies))
      this.engine.objects.upsert("KubernetesNetworkPolicy", { metadata: refOf(key), spec });
    this.#enforced = policies;
    await this.settled();
  }

  settled(): Promise<void> {
    return this.engine.settled({ signal: AbortSignal.timeout(30_000) });
  }

  /** Asks everybody at once, in both families; those of `expected` are waited for. The answers in the order of the pairs. */
  ask(pairs: readonly Pair[], way: Way, expected: (pair: Pair) => boolean): (readonly [Outcome, Outcome])[] {
    const pod = (key: string) => this.#pods.get(key) as Pod;
    const outcomes = attemptAll(
      pairs.flatMap((pair) =>
        ([4, 6] as const).map((family) => ({
          from: pod(pair[0]),
          to: pod(pair[1]),
          family,
          way,
          expected: expected(pair),
        })),
      ),
      this.#witness,
    );
    return pairs.map((_, index) => [outcomes[index * 2] as Outcome, outcomes[index * 2 + 1] as Outcome]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    this.#witness[Symbol.dispose]();
    this.#network[Symbol.dispose]();
  }
}

function refOf(key: string): { namespace: string; name: string } {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}

export const everybodyBut = (subject: string): readonly string[] =>
  everybody.filter((key) => key !== subject);
