import { assemble, type Frame, jeq, label, ldPacketType, type PacketSocket, ret } from "@fairlead/netlink";

/** Longest frame a sender leaves to the card whole. */
export const longestFrame = 65_550;

/** Passes what leaves through the link (PACKET_OUTGOING), not what comes from it. */
export const outgoingOnly = assemble([
  ldPacketType(),
  jeq(4, undefined, "drop"),
  ret(longestFrame),
  label("drop"),
  ret(0),
]);

/** How many frames the link's program has read, and how many found no room in its queue. */
export interface Progress {
  readonly sent: number;
  readonly unsent: number;
}

/**
 * The frames in a tap's queue, which nobody but its program can look into: a packet socket gets a copy of each as it is queued, the tap counts those
 * that are read, and as many copies are dropped. The copies stay in the kernel; a frame costs nothing here until it is taken.
 *
 * It begins with more frames read than copied, since those already queued have no copy; so it drops too much until its own queue has run empty
 * once, at the latest when the program has caught up. It never keeps a frame that was read.
 */
export class Unread {
  readonly #copies: Pick<PacketSocket, "skip" | "receive">;
  readonly #progress: () => Progress;
  #accounted: number;
  #read: number;

  /** @param before the link's progress before the socket was opened */
  constructor(copies: Pick<PacketSocket, "skip" | "receive">, progress: () => Progress, before: Progress) {
    this.#copies = copies;
    this.#progress = progress;
    this.#accounted = before.sent + before.unsent;
    this.#read = before.sent;
  }

  /** Drops what was read meanwhile, so that the socket's buffer lasts. Call it from time to time. */
  catchUp(): void {
    const { sent, unsent } = this.#progress();
    // A program that reads nothing stands still: what finds no room now is not lost, its copy is here.
    if (sent === this.#read) return;
    this.#read = sent;
    const due = sent + unsent - this.#accounted;
    if (due <= 0) return;
    this.#copies.skip(due);
    this.#accounted += due;
  }

  /** Takes out the oldest. What was read since the last `catchUp` is still among them. */
  next(): Frame | undefined {
    return this.#copies.receive();
  }
}
