import { isApiError, kinds } from "@fairlead/api";
import type { ApiServer, Count } from "./api-server.fixture.ts";
import type { SimulatedNode } from "./node.fixture.ts";
import type { Sandbox, SimulatedPod } from "./pod.fixture.ts";
import { between, nobody, type VirtualTime } from "./virtual-time.fixture.ts";

export interface KubeletParts {
  readonly time: VirtualTime;
  readonly server: ApiServer;
  readonly count: Count;
  tell(text: string): void;
  /** A pod was given these addresses. */
  given(pod: SimulatedPod, addresses: readonly string[]): void;
  /** The model itself has a fault. */
  broken(error: unknown): void;
}

const network = "k8s-pod-network";

/** Milliseconds a runtime waits for the plug-in, at least and at most. */
const patience = [20_000, 90_000] as const;

/** kubelet and container runtime of all nodes: they run pods and end them, and do not give up. */
export class Kubelet {
  readonly #parts: KubeletParts;
  readonly #config: string;
  /** Containers whose DEL never comes, or whose end may not have been noted. */
  readonly forgotten = new Set<string>();
  #sandboxes = 0;
  /** Whose each namespace is that exists: paths are unique in the cluster. */
  readonly #podOf = new Map<string, SimulatedPod>();
  readonly #freePaths = new Map<SimulatedNode | undefined, string[]>();

  constructor(parts: KubeletParts) {
    this.#parts = parts;
    this.#config = JSON.stringify({
      cniVersion: "1.1.0",
      name: network,
      type: "calico",
      ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" },
      policy_setup_timeout_seconds: 10,
      endpoint_status_dir: "/run/endpoint-status",
    });
  }

  /** Whose a namespace is. */
  podOf(netns: string): SimulatedPod | undefined {
    return this.#podOf.get(netns);
  }

  /** Runs a pod that is bound to a node, until it has ended. */
  async run(pod: SimulatedPod): Promise<void> {
    const { time } = this.#parts;
    const { random } = pod.options;
    await time.sleep(between(random, 20, 400));
    for (let lost = 0; !pod.ending.has; ) {
      const sandbox = this.#createSandbox(pod);
      const addresses = await this.#add(pod, sandbox);
      if (addresses && !pod.ending.has) {
        pod.current = sandbox;
        pod.addresses = addresses;
        if (lost >= pod.options.lostSandboxes) break;
        lost++;
        this.#parts.count("sandbox replaced");
        this.#parts.tell(`${pod.name}: its sandbox is replaced`);
      }
      if (!pod.ending.has) {
        pod.current = undefined;
        this.#abandon(pod, sandbox, !addresses).catch(this.#parts.broken);
        await time.sleep(between(random, 200, 6_000));
      }
    }
    if (!pod.ending.has) {
      await time.sleep(between(random, 50, 800));
      this.#report(pod, "Running");
      pod.started.happen();
    }
    await pod.ending.happened;
    await this.#end(pod);
  }

  /** A new sandbox for a pod that runs: the old one has died. */
  async replaceSandbox(pod: SimulatedPod): Promise<void> {
    const old = pod.current;
    if (!old || pod.ending.has) return;
    this.#parts.count("sandbox replaced");
    this.#parts.tell(`${pod.name}: its sandbox has died`);
    pod.current = undefined;
    this.#abandon(pod, old, false).catch(this.#parts.broken);
    while (!pod.ending.has && !pod.current) {
      const sandbox = this.#createSandbox(pod);
      const addresses = await this.#add(pod, sandbox);
      if (addresses && !pod.ending.has) {
        pod.current = sandbox;
        pod.addresses = addresses;
      } else {
        this.#abandon(pod, sandbox, true).catch(this.#parts.broken);
        await this.#parts.time.sleep(between(pod.options.random, 200, 6_000));
      }
    }
  }

  #createSandbox(pod: SimulatedPod): Sandbox {
    const id = ++this.#sandboxes;
    const containerId = `c${id}-${pod.name}`;
    const { node, options } = pod;
    // A path that was free may be given again, as process ids are.
    const reused = options.random() < 0.1 ? this.#freePaths.get(node)?.pop() : undefined;
    if (reused) this.#parts.count("namespace path given again");
    const sandbox = {
      containerId,
      netns: reused ?? `/run/netns/cni-${id}`,
      isAlive: true,
      isGivenUp: false,
      isGone: false,
    };
    node?.kernel.createNamespace(sandbox.netns);
    pod.sandboxes.push(sandbox);
    this.#podOf.set(sandbox.netns, pod);
    return sandbox;
  }

  /** What the pod was given; undefined when it failed. */
  async #add(pod: SimulatedPod, sandbox: Sandbox): Promise<readonly string[] | undefined> {
    const { tell, count } = this.#parts;
    const answer = await this.#call(pod, sandbox, "ADD");
    if (answer?.exitCode !== 0) {
      count("ADD failed");
      tell(`${pod.name}: ADD of ${sandbox.containerId} on ${pod.node?.name}${outcomeOf(answer)}`);
      return undefined;
    }
    count("ADD");
    const { ips } = JSON.parse(answer.stdout) as { ips: { address: string }[] };
    const addresses = ips.map(({ address }) => address.replace(/\/.*/, ""));
    tell(`${pod.name}: ADD of ${sandbox.containerId} on ${pod.node?.name}: ${addresses.join(" ")}`);
    if (!pod.ending.has) this.#parts.given(pod, addresses);
    return addresses;
  }

  /** A sandbox that is used no more. */
  async #abandon(pod: SimulatedPod, sandbox: Sandbox, hasFailed: boolean): Promise<void> {
    const { time, count } = this.#parts;
    const { farewell } = pod.options;
    sandbox.isGivenUp = true;
    if (farewell.never && hasFailed) {
      count("DEL never comes");
      this.forgotten.add(sandbox.containerId);
      sandbox.isGone = true;
      this.#destroy(pod, sandbox);
      return;
    }
    await time.sleep(farewell.delay);
    await this.#del(pod, sandbox);
  }

  /** DEL until it succeeds, and now and then once more. */
  async #del(pod: SimulatedPod, sandbox: Sandbox): Promise<void> {
    const { time, count, tell } = this.#parts;
    const { random, farewell } = pod.options;
    for (let repeats = 0; repeats <= farewell.repeats; ) {
      const answer = await this.#call(pod, sandbox, "DEL");
      tell(`${pod.name}: DEL of ${sandbox.containerId} on ${pod.node?.name}${outcomeOf(answer)}`);
      if (answer?.exitCode !== 0) count("DEL failed");
      else if (repeats++ === 0) {
        count("DEL");
        // An agent that cannot write remembers that only as long as it lives.
        if (pod.node?.disk.isFull) this.forgotten.add(sandbox.containerId);
        sandbox.isGone = true;
        this.#destroy(pod, sandbox);
      } else count("DEL repeated");
      await time.sleep(between(random, 300, 8_000));
    }
  }

  #destroy(pod: SimulatedPod, sandbox: Sandbox): void {
    if (!sandbox.isAlive) return;
    sandbox.isAlive = false;
    pod.node?.kernel.destroyNamespace(sandbox.netns);
    this.#podOf.delete(sandbox.netns);
    this.#freePaths.set(pod.node, [...(this.#freePaths.get(pod.node) ?? []), sandbox.netns]);
  }

  /** The containers end, the sandboxes go, and then the object if its deletion was asked for. */
  async #end(pod: SimulatedPod): Promise<void> {
    const { time } = this.#parts;
    const { random, farewell } = pod.options;
    if (!pod.started.has) this.#report(pod, "Failed");
    pod.current = undefined;
    if (farewell.objectFirst) this.#removeObject(pod);
    await time.sleep(between(random, 20, 1_500));
    const left = pod.sandboxes.filter(({ isGivenUp }) => !isGivenUp);
    for (const sandbox of left) sandbox.isGivenUp = true;
    await Promise.all(
      left.map(async (sandbox) => {
        // Repeated DELs come after the pod is forgotten.
        this.#del(pod, sandbox).catch(this.#parts.broken);
        while (!sandbox.isGone) await time.sleep(250);
      }),
    );
    this.#removeObject(pod);
    pod.ended.happen();
  }

  /** kubelet removes the object of a pod that is being deleted; those that are not stay. */
  #removeObject(pod: SimulatedPod): void {
    const { store } = this.#parts.server.cluster;
    try {
      const object = store.get(kinds.Pod, pod.ref);
      if (object.metadata.uid === pod.uid && object.metadata.deletionTimestamp)
        store.delete(kinds.Pod, pod.ref, { gracePeriodSeconds: 0 });
    } catch (error) {
      if (!isApiError(error, "NotFound")) throw error;
    }
  }

  /** The deletion of a pod was asked for after it had ended. */
  forget(pod: SimulatedPod): void {
    if (pod.ended.has) this.#removeObject(pod);
  }

  #report(pod: SimulatedPod, phase: "Running" | "Succeeded" | "Failed"): void {
    const podIPs = pod.addresses.map((ip) => ({ ip }));
    const status = { phase, ...(podIPs[0] && { podIP: podIPs[0].ip, podIPs }) };
    this.patchStatus(pod, { status });
  }

  /** Its containers have ended by themselves. */
  finish(pod: SimulatedPod, phase: "Succeeded" | "Failed"): void {
    if (pod.ending.has) return;
    this.#report(pod, phase);
    pod.ending.happen();
  }

  patchStatus(pod: SimulatedPod, patch: object): void {
    const { store } = this.#parts.server.cluster;
    try {
      if (store.get(kinds.Pod, pod.ref).metadata.uid === pod.uid)
        store.patch(kinds.Pod, pod.ref, patch, { type: "merge", subresource: "status" });
    } catch (error) {
      if (!isApiError(error, "NotFound")) throw error;
    }
  }

  /** Undefined when nobody answered in time, or nobody was there. */
  async #call(
    pod: SimulatedPod,
    sandbox: Sandbox,
    command: "ADD" | "DEL",
  ): Promise<{ exitCode: number; stdout: string } | undefined> {
    const { time, count } = this.#parts;
    const { random } = pod.options;
    const node = pod.node as SimulatedNode;
    const tooLate = Symbol("too late");
    const deadline = Promise.withResolvers<typeof tooLate>();
    const job = time.after(between(random, ...patience), () => deadline.resolve(tooLate), nobody);
    const call = node.cni({
      environment: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: sandbox.containerId,
        // A runtime may name the path of a namespace that is gone, or nothing.
        CNI_NETNS: sandbox.isAlive || random() < 0.5 ? sandbox.netns : "",
        CNI_IFNAME: "eth0",
        CNI_ARGS: `K8S_POD_NAMESPACE=${pod.namespace};K8S_POD_NAME=${pod.name};K8S_POD_UID=${pod.uid}`,
        CNI_PLUGIN: "calico",
      },
      config: this.#config,
      startedAt: 0n,
    });
    try {
      const answer = await Promise.race([call, deadline.promise]);
      if (answer !== tooLate) return answer;
      count("runtime lost patience");
      return undefined;
    } catch {
      // The messenger found nobody, or lost the connection.
      count("no agent answers");
      return undefined;
    } finally {
      time.cancel(job);
    }
  }
}

function outcomeOf(answer: { readonly exitCode: number; readonly stdout: string } | undefined): string {
  if (!answer) return ": no answer";
  if (answer.exitCode === 0) return "";
  const { msg } = JSON.parse(answer.stdout) as { msg?: string };
  return `: ${msg ?? answer.stdout}`;
}
