import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { applyBridgeBinding } from "../bridge-binding.ts";
import {
  type LauncherMethods,
  type LauncherStatus,
  launcherDirectory,
  launcherSocket,
} from "../launcher-protocol.ts";
import { type PodNetwork, readPodNetwork } from "../pod-network.ts";
import { connectRpc, type RpcClient, RpcError } from "../rpc.ts";

/** A launcher pod on this node, as far as virt-handler can reach it. */
export interface LauncherPod {
  readonly directory: string;
  readonly rpc: RpcClient<LauncherMethods, LauncherStatus>;
  /** The newest the launcher said of itself. */
  status: LauncherStatus;
}

export interface LauncherPodsOptions {
  /** Directory shared with the launchers. */
  readonly root: string;
  /** Where the pod runner says which network namespace a pod has: `<podUID>.json` with `netns`. */
  readonly kubelet: string;
  /** Called when a launcher's status changes or its connection ends. */
  readonly onChange: (podUid: string) => void;
}

/** Connections to the launchers on this node, and the wiring of their network namespaces. */
export class LauncherPods {
  readonly #options: LauncherPodsOptions;
  readonly #known = new Map<string, LauncherPod>();

  constructor(options: LauncherPodsOptions) {
    this.#options = options;
  }

  /** The launcher of a pod, connected first if need be; undefined while (or when no longer) it listens. */
  async find(podUid: string): Promise<LauncherPod | undefined> {
    const known = this.#known.get(podUid);
    if (known) return known;
    const directory = launcherDirectory(this.#options.root, podUid);
    if (!existsSync(launcherSocket(directory))) return undefined;
    try {
      return await this.#connect(podUid, directory);
    } catch (error) {
      if (error instanceof RpcError) return undefined;
      throw error;
    }
  }

  async #connect(podUid: string, directory: string): Promise<LauncherPod> {
    const rpc = await connectRpc<LauncherMethods, LauncherStatus>(launcherSocket(directory));
    const greeting = Promise.withResolvers<void>();
    const launcher: LauncherPod = { directory, rpc, status: { state: "none" } };
    rpc.subscribe((status) => {
      launcher.status = status;
      greeting.resolve();
      this.#options.onChange(podUid);
    });
    rpc.closed.addEventListener("abort", () => {
      greeting.resolve();
      this.#known.delete(podUid);
      this.#options.onChange(podUid);
    });
    this.#known.set(podUid, launcher);
    await greeting.promise;
    return launcher;
  }

  /**
   * Wires the pod's namespace for the bridge binding, once, and says what the CNI had given it. The answer is kept beside
   * the launcher's socket: after the wiring the namespace itself no longer shows it.
   */
  async wire(podUid: string): Promise<PodNetwork> {
    const cache = `${launcherDirectory(this.#options.root, podUid)}/vif-cache-eth0.json`;
    if (existsSync(cache)) return JSON.parse(readFileSync(cache, "utf8"));
    const { netns } = JSON.parse(readFileSync(`${this.#options.kubelet}/${podUid}.json`, "utf8")) as {
      netns: string;
    };
    const network = await readPodNetwork(netns);
    writeFileSync(`${cache}.new`, JSON.stringify(network));
    await applyBridgeBinding(netns, network);
    renameSync(`${cache}.new`, cache);
    return network;
  }

  close(): void {
    for (const { rpc } of this.#known.values()) rpc[Symbol.dispose]();
  }
}
