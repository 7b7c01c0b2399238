/**
 * Names that one network namespace has for others, as netlink messages (linux/net_namespace.h).
 *
 *     struct rtgenmsg { u8 family, pad[3]; }   then NETNSA_* attributes
 */
import { Attributes, needHeader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";
import type { NetworkNamespace } from "./network-namespace.ts";

export const RTM_GETNSID = 90;

const SIZE = 4;
const NETNSA = { NSID: 1, FD: 3 } as const;

/** `ip netns list-id`: asks which ID the namespace has here. */
export function encodeNamespaceIdQuery(writer: MessageWriter, netns: NetworkNamespace): void {
  writer.header(SIZE);
  writer.u32(NETNSA.FD, netns.fd);
}

/** Undefined when the namespace has no ID here (NETNSA_NSID_NOT_ASSIGNED): no link leads into it. Throws `Malformed`. */
export function decodeNamespaceId(payload: Buffer): number | undefined {
  needHeader(payload, SIZE, "rtgenmsg");
  const id = new Attributes(payload, SIZE).i32(NETNSA.NSID);
  return id === undefined || id < 0 ? undefined : id;
}
