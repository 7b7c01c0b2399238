import { type NetworkConfig, parseConfig } from "./config.ts";
import { CniError } from "./error.ts";
import { isAtLeast } from "./version.ts";

export const commands = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"] as const;
/** The value of `CNI_COMMAND`. */
export type Command = (typeof commands)[number];

/** What the messenger sent: the CNI_* variables, stdin, and when it was started (CLOCK_MONOTONIC, nanoseconds). */
export interface RawRequest {
  readonly environment: Readonly<Record<string, string>>;
  readonly config: string;
  readonly startedAt: bigint;
}

/** The pod a call is about, from CNI_ARGS. */
export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
}

/** A call that passed every check that needs no cluster and no kernel. */
export interface CniRequest {
  readonly plugin: "network" | "ipam";
  readonly command: Command;
  /** Empty for GC, STATUS and VERSION. */
  readonly containerId: string;
  /** Path of the network namespace; may be empty on DEL. */
  readonly netns: string;
  readonly ifName: string;
  /** Absent for GC, STATUS and VERSION. */
  readonly pod?: PodReference;
  readonly config: NetworkConfig;
  readonly startedAt: bigint;
}

/**
 * The specification allows dots, too. No runtime uses them, and we join the ID to a network's name (in handles) and to an
 * interface's (in file names), where both may have dots: without dots of its own an ID ends where it seems to end.
 */
const containerIdPattern = /^[a-zA-Z0-9][a-zA-Z0-9_-]*$/;
/** RFC 1123 subdomain: what a pod may be called. */
const objectName = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
/** RFC 1123 label: what a namespace may be called. Without dots, `namespace.pod` is of one pod only. */
const namespaceName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

function invalid(variable: string, why: string): never {
  throw new CniError(
    "InvalidEnvironment",
    `${variable} ${why}`,
    "the container runtime sets it: look at its log",
  );
}

function parseArgs(text: string): Map<string, string> {
  const args = new Map<string, string>();
  for (const pair of text.split(";").filter(Boolean)) {
    const at = pair.indexOf("=");
    if (at <= 0) invalid("CNI_ARGS", `has ${JSON.stringify(pair)}, which is not KEY=VALUE`);
    args.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return args;
}

function parsePod(text: string): PodReference {
  const args = parseArgs(text);
  const namespace = args.get("K8S_POD_NAMESPACE");
  const name = args.get("K8S_POD_NAME");
  if (!namespace || !name) invalid("CNI_ARGS", "names no pod (K8S_POD_NAMESPACE, K8S_POD_NAME)");
  if (!namespaceName.test(namespace))
    invalid("CNI_ARGS", `has ${JSON.stringify(namespace)}, which is no name of a namespace`);
  if (name.length > 253 || !objectName.test(name))
    invalid("CNI_ARGS", `has ${JSON.stringify(name)}, which is no name of a pod`);
  const uid = args.get("K8S_POD_UID");
  return uid ? { namespace, name, uid } : { namespace, name };
}

function parseInterfaceName(name: string): string {
  // CNI 1.1.0 and the kernel's dev_valid_name(): at most 15 bytes, no '/', ':' or white space, neither "." nor "..".
  const bad =
    name === "" || name === "." || name === ".." || Buffer.byteLength(name) > 15 || /[\s/:]/.test(name);
  return bad ? invalid("CNI_IFNAME", `${JSON.stringify(name)} is no interface name`) : name;
}

/** Commands that are about one container. */
const perContainer: readonly Command[] = ["ADD", "DEL", "CHECK"];

/** @throws CniError InvalidEnvironment, and what parseConfig throws */
export function parseRequest(raw: RawRequest): CniRequest {
  const env = raw.environment;
  const command = commands.find((known) => known === env.CNI_COMMAND);
  if (!command) invalid("CNI_COMMAND", `is ${JSON.stringify(env.CNI_COMMAND ?? "")}`);
  const config = parseConfig(raw.config);
  const since = command === "CHECK" ? "0.4.0" : command === "GC" || command === "STATUS" ? "1.1.0" : "0.1.0";
  if (!isAtLeast(config.cniVersion, since))
    throw new CniError(
      "IncompatibleVersion",
      `${command} needs cniVersion ${since} or newer, the configuration says ${config.cniVersion}`,
      `raise cniVersion in the conflist to ${since}`,
    );
  const plugin = env.CNI_PLUGIN === "calico-ipam" ? "ipam" : "network";
  if (!perContainer.includes(command))
    return { plugin, command, containerId: "", netns: "", ifName: "", config, startedAt: raw.startedAt };
  const containerId = env.CNI_CONTAINERID ?? "";
  if (containerId.length > 200 || !containerIdPattern.test(containerId))
    invalid("CNI_CONTAINERID", `${JSON.stringify(containerId)} is no container ID`);
  const netns = env.CNI_NETNS ?? "";
  if (netns === "" && command !== "DEL") invalid("CNI_NETNS", "is empty");
  if (netns !== "" && !netns.startsWith("/"))
    invalid("CNI_NETNS", `${JSON.stringify(netns)} is not an absolute path`);
  const ifName = parseInterfaceName(env.CNI_IFNAME ?? "");
  return {
    plugin,
    command,
    containerId,
    netns,
    ifName,
    pod: parsePod(env.CNI_ARGS ?? ""),
    config,
    startedAt: raw.startedAt,
  };
}
