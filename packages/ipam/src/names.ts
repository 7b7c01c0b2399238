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
/** Tells the handle of a VM from all others, so it is nobody else's to use. */
const vmSegment = /(^|\.)vmi(\.|$)/i;
const hash = (text: string, length: number) =>
  createHash("sha256").update(text).digest("hex").slice(0, length);

const dashed = (cidr: string) => cidr.replace(/[.:/]/g, "-");

/** `10.0.0.0/26` is stored as `10-0-0-0-26`. */
export const blockName = (cidr: string): string => dashed(cidr);

/** A text of at most `longest` characters: one that is longer ends in a hash of all of it. */
export const shortened = (text: string, longest: number): string =>
  text.length <= longest ? text : `${text.slice(0, longest - 12)}-${hash(text, 11)}`;

/**
 * `<node>-<cidr>`, as the incumbent names it; where that would be too long for an object name, the node's name gives way to a hash at
 * the end. Block `2::/122` of node `a-1` has the name of block `1:2::/122` of node `a`: whose affinity it is, its `spec` says.
 */
export function affinityName(node: string, cidr: string): string {
  const name = `${node}-${dashed(cidr)}`;
  return name.length < objectNameLimit ? name : hashedAffinityName(node, cidr);
}

/** The name of an affinity whose usual one is taken. Its hash tells where the node's name ends. */
export function hashedAffinityName(node: string, cidr: string): string {
  const block = dashed(cidr);
  const tail = hash(`${node}+${block}`, 11);
  const room = objectNameLimit - 1 - block.length - tail.length - 2;
  return `${node.slice(0, room)}-${block}-${tail}`;
}

/** Labels of a BlockAffinity: the incumbent lists by them, and does not see an affinity without. */
export function affinityLabels(node: string, cidr: string): Readonly<Record<string, string>> {
  return {
    "projectcalico.org/hostname-hash": base32(createHash("sha3-256").update(node).digest()),
    "projectcalico.org/affinity-type": "host",
    "projectcalico.org/ip-version": cidr.includes(":") ? "6" : "4",
  };
}

/** RFC 4648 section 6, without padding. */
function base32(bytes: Uint8Array): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(value >> (bits - 5)) & 31];
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 31] : text;
}

/** `k8s-pod-network.<containerID>`. Never the handle of a VM. @throws IpamError RequestInvalid */
export function containerHandle(network: string, containerId: string): string {
  if (vmSegment.test(containerId))
    throw new IpamError("RequestInvalid", `container ID "${containerId}" would make the handle of a VM`, {
      field: "containerId",
    });
  return `${checkedNetwork(network)}.${containerId}`;
}

/** What versions before handles per container wrote. Others can have the same text: see `releaseOfPod`. */
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
  if (vmSegment.test(network))
    throw new IpamError("RequestInvalid", `network name "${network}" has the part "vmi", which is reserved`, {
      field: "network",
    });
  if (networkName.test(network)) return network;
  throw new IpamError(
    "RequestInvalid",
    `network name "${network}" may contain only letters, digits, "_", "." and "-"`,
    {
      field: "network",
    },
  );
}
