/**
 * How a guest that has woken up on another host says so.
 *
 * - `rarp`: RARP request, op 3 (QEMU's self-announcement). Carries no IP address.
 * - `garp`: gratuitous ARP, request or reply (the guest's virtio-net driver).
 * - `na`: unsolicited neighbour advertisement (RFC 4861 7.2.6), the IPv6 one.
 */
export type AnnouncementKind = "rarp" | "garp" | "na";

/** One accepted announcement. */
export interface Announcement {
  readonly kind: AnnouncementKind;
  /** When the kernel received the frame: nanoseconds of CLOCK_MONOTONIC. */
  readonly at: bigint;
  /** The guest's MAC, as expected. */
  readonly mac: string;
  /** The address announced; undefined for RARP. */
  readonly address: string | undefined;
}
