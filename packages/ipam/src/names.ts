import { createHash } from "node:crypto";
import { IpamError } from "./errors.ts";

/** Network name a request without one belongs to. */
export const defaultNetwork = "k8s-pod-network";

/** Longest handle the incumbent writes unhashed. */
const handleLimit = 128;
const objectNameLimit = 253;

/** Two linear checks: this runs for every allocation of a cluster. */
const isSubdomain = (text: string) =>
  /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(text) && !/\.[.-]|-\./.test(text);
const networkName = /^[a-zA-Z0-9_.-]+$/;
const hash = (text: string, length: number) =>
  createHash("sha256").update(text).digest("hex").slice(0, length);

const dashed = (cidr: string) => cidr.replace(/[.:/]/g, "-");

/** `10.0.0.0/26` is stored as `10-0-0-0-26`. */
export const blockName = (cidr: string): string => dashed(cidr);

/** `<node>-<cidr>`, shortened with a hash when it would not be a valid object name. */
export function affinityName(node: string, cidr: string): string {
  const name = `${node}-${dashed(cidr)}`;
  if (name.length < objectNameLimit) return name;
  const tail = hash(name, 11);
  return `${name.slice(0, objectNameLimit - tail.length - 2)}-${tail}`;
}

/** `k8s-pod-network.<containerID>`. */
export function containerHandle(network: string, containerId: string): string {
  return `${checkedNetwork(network)}.${containerId}`;
}

/** What versions before handles per container wrote. */
export const legacyPodHandle = (namespace: string, pod: string): string => `${namespace}.${pod}`;

/**
 * `<network>.vmi.<namespace>.<vm>`: one handle per VM, whichever pod it runs in. One that would be longer than 128 characters ends
 * in a hash instead, still a valid object name (a namespace has no dots, so the two forms never meet).
 */
export function vmHandle(network: string, namespace: string, vm: string): string {
  const prefix = `${checkedNetwork(network)}.vmi.`;
  const handle = `${prefix}${namespace}.${vm}`;
  return handle.length <= handleLimit ? handle : `${prefix}${hash(`${namespace}.${vm}`, 48)}`;
}

/** Name of the IPAMHandle object: the lower-cased handle, or a hash of it where that is not a valid object name. */
export function handleName(handle: string): string {
  const name = handle.toLowerCase();
  return name.length <= objectNameLimit && isSubdomain(name) ? name : `handle-${hash(name, 48)}`;
}

function checkedNetwork(network: string): string {
  if (network === "") return defaultNetwork;
  if (networkName.test(network)) return network;
  throw new IpamError(
    "RequestInvalid",
    `network name "${network}" may contain only letters, digits, "_", "." and "-"`,
    {
      field: "network",
    },
  );
}
