import { messageOf } from "../../error.ts";
import type { ResultsCache } from "./cache.ts";
import { type NetworkList, type PluginConfig, parseNetworkList } from "./conflist.ts";
import { CniRuntimeError } from "./error.ts";
import { type Invocation, type PluginRunner, runPlugin } from "./plugin.ts";
import { asVersion, type CniResult } from "./result.ts";
import { isAtLeast } from "./version.ts";

/** One interface of one pod in one network. */
export interface AttachmentRequest {
  readonly containerId: string;
  readonly netns: string | undefined;
  readonly ifName: string;
  readonly args: readonly (readonly [string, string])[];
  /** Per capability, for example `portMappings`; a plug-in gets those it declares. */
  readonly capabilityArgs?: Readonly<Record<string, unknown>>;
}

/** The network of a node: executes its list of plug-ins the way libcni does. */
export class CniNetwork {
  readonly #runner: PluginRunner;
  readonly #cache: ResultsCache;

  constructor(runner: PluginRunner, cache: ResultsCache) {
    this.#runner = runner;
    this.#cache = cache;
  }

  /** ADD through the list in order, each plug-in with the result of the one before. On failure the caller follows with `del`. */
  async add(list: NetworkList, request: AttachmentRequest): Promise<CniResult> {
    checkNames(request);
    let result: CniResult | undefined;
    for (const plugin of list.plugins) {
      const config = configFor(list, plugin, request, result);
      const printed = await runPlugin(this.#runner, plugin.type, invocation("ADD", request), config);
      if (printed === undefined)
        throw new CniRuntimeError("Plugin", `plug-in ${plugin.type} printed no result of its ADD`);
      result = asVersion(printed, list.cniVersion);
    }
    await this.#cache.put({
      kind: "cniCacheV1",
      containerId: request.containerId,
      config: Buffer.from(list.text).toString("base64"),
      ifName: request.ifName,
      networkName: list.name,
      ...(request.netns !== undefined && { netns: request.netns }),
      cniArgs: request.args,
      ...(request.capabilityArgs && { capabilityArgs: request.capabilityArgs }),
      result: result!,
    });
    return result!;
  }

  /** DEL through the list backwards, each plug-in with the final result of ADD if it is known. Succeeds for what is not there. */
  async del(list: NetworkList, request: AttachmentRequest): Promise<void> {
    checkNames(request);
    const cached = await this.#cache.get(list.name, request.containerId, request.ifName);
    const previous = isAtLeast(list.cniVersion, "0.4.0") ? cached?.result : undefined;
    for (const plugin of [...list.plugins].reverse()) {
      const config = configFor(list, plugin, request, previous && asVersion(previous, list.cniVersion));
      try {
        await runPlugin(this.#runner, plugin.type, invocation("DEL", request), config);
      } catch (error) {
        // A plug-in that was never installed has nothing to take back from an ADD that never succeeded.
        const neverRan =
          error instanceof CniRuntimeError && error.code === "NotFound" && cached === undefined;
        if (!neverRan) throw error;
      }
    }
    await this.#cache.remove(list.name, request.containerId, request.ifName);
  }

  /** CHECK through the list in order. @throws CniRuntimeError `Unsupported` before CNI 0.4.0, or when ADD left nothing to check */
  async check(list: NetworkList, request: AttachmentRequest): Promise<void> {
    if (!isAtLeast(list.cniVersion, "0.4.0"))
      throw new CniRuntimeError("Unsupported", `CNI ${list.cniVersion} has no CHECK`);
    if (list.disableCheck) return;
    const cached = await this.#cache.get(list.name, request.containerId, request.ifName);
    if (cached === undefined)
      throw new CniRuntimeError("Runtime", "no result of ADD is known for this attachment");
    for (const plugin of list.plugins) {
      const config = configFor(list, plugin, request, asVersion(cached.result, list.cniVersion));
      await runPlugin(this.#runner, plugin.type, invocation("CHECK", request), config);
    }
  }

  /**
   * Removes attachments that are not among `valid`: DEL for those in the cache, then GC where the version has it. Goes on after an
   * error and reports all.
   */
  async gc(
    list: NetworkList,
    valid: readonly { readonly containerId: string; readonly ifName: string }[],
  ): Promise<void> {
    if (list.disableGC) return;
    const kept = new Set(valid.map(({ containerId, ifName }) => `${containerId} ${ifName}`));
    const errors: unknown[] = [];
    for (const entry of await this.#cache.list(list.name)) {
      if (kept.has(`${entry.containerId} ${entry.ifName}`)) continue;
      const then = parseNetworkList(Buffer.from(entry.config, "base64").toString(), "results cache");
      const request = { ...entry, netns: entry.netns, args: entry.cniArgs };
      await this.del(then, request).catch((error: unknown) => errors.push(error));
    }
    if (isAtLeast(list.cniVersion, "1.1.0")) {
      const attachments = valid.map(({ containerId, ifName }) => ({
        containerID: containerId,
        ifname: ifName,
      }));
      for (const plugin of list.plugins) {
        const config = {
          ...plugin,
          name: list.name,
          cniVersion: list.cniVersion,
          "cni.dev/valid-attachments": attachments,
        };
        await runPlugin(this.#runner, plugin.type, { command: "GC" }, config).catch((error: unknown) =>
          errors.push(error),
        );
      }
    }
    if (errors.length > 0)
      throw new CniRuntimeError("Plugin", `GC: ${errors.map(messageOf).join("; ")}`, { cause: errors[0] });
  }

  /** STATUS of every plug-in: throws when one cannot take an ADD. Before CNI 1.1.0 nothing is known, which counts as ready. */
  async status(list: NetworkList): Promise<void> {
    if (!isAtLeast(list.cniVersion, "1.1.0")) return;
    for (const plugin of list.plugins)
      await runPlugin(
        this.#runner,
        plugin.type,
        { command: "STATUS" },
        { ...plugin, name: list.name, cniVersion: list.cniVersion },
      );
  }
}

function invocation(command: Invocation["command"], request: AttachmentRequest): Invocation {
  const { containerId, netns, ifName, args } = request;
  return { command, containerId, ifName, args, ...(netns !== undefined && { netns }) };
}

/** What a plug-in reads on its standard input. */
function configFor(
  list: NetworkList,
  plugin: PluginConfig,
  request: AttachmentRequest,
  previous: CniResult | undefined,
) {
  const declared = (plugin.capabilities ?? {}) as Record<string, unknown>;
  const granted = Object.entries(request.capabilityArgs ?? {}).filter(([name]) => declared[name] === true);
  return {
    ...plugin,
    name: list.name,
    cniVersion: list.cniVersion,
    ...(granted.length > 0 && { runtimeConfig: Object.fromEntries(granted) }),
    ...(previous && { prevResult: previous }),
  };
}

function checkNames({ containerId, ifName }: AttachmentRequest): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(containerId))
    throw new CniRuntimeError("Runtime", `${JSON.stringify(containerId)} is no container ID`);
  if (!/^[^/:\s]{1,15}$/.test(ifName) || ifName === "." || ifName === "..")
    throw new CniRuntimeError("Runtime", `${JSON.stringify(ifName)} is no interface name`);
}
