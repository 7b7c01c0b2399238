import type { Family, Frame } from "@fairlead/netlink";
import { type Packet, packetOf } from "./packet.ts";

export interface PursuitOptions {
  /** The guest's addresses, plain. */
  readonly addresses: readonly string[];
  /** The oldest frame that was not read, or undefined. */
  next(): Frame | undefined;
  send(packet: Packet): void;
  /** So many packets were sent; nothing is left of this family. */
  sent(packets: number, family: Family): void;
  problem(error: Error): void;
}

/** Frames in one turn: what else the thread has to do must not wait for a flood. */
const atOnce = 64;
/** Packets that wait until their family's route has moved as well; what is more is lost. */
const mostWaiting = 4_096;

/** Sends packets after the guest, those of a family once it has left. */
export class Pursuit implements Disposable {
  readonly #options: PursuitOptions;
  readonly #own: ReadonlySet<string>;
  readonly #gone = new Set<Family>();
  /** What was sent and not told of. */
  readonly #counts = new Map<Family, number>();
  #waiting: Packet[] = [];
  #turn: NodeJS.Immediate | undefined;

  constructor(options: PursuitOptions) {
    this.#options = options;
    this.#own = new Set(options.addresses);
  }

  /** Routes lead elsewhere for the guest's addresses of this family. */
  leave(family: Family): void {
    this.#gone.add(family);
    this.#counts.set(family, 0);
    const ready = this.#waiting.filter((packet) => packet.family === family);
    this.#waiting = this.#waiting.filter((packet) => packet.family !== family);
    for (const packet of ready) this.#send(packet);
    if (!this.#turn) this.#sendSome();
  }

  #sendSome(): void {
    this.#turn = undefined;
    for (let read = 0; read < atOnce; read++) {
      const frame = this.#options.next();
      if (!frame) {
        this.#tell();
        return;
      }
      const packet = packetOf(frame);
      if (!packet || !this.#own.has(packet.destination)) continue;
      if (this.#gone.has(packet.family)) this.#send(packet);
      else if (this.#waiting.length < mostWaiting) this.#waiting.push(packet);
    }
    this.#turn = setImmediate(() => this.#sendSome());
  }

  #send(packet: Packet): void {
    try {
      this.#options.send(packet);
      this.#counts.set(packet.family, (this.#counts.get(packet.family) ?? 0) + 1);
    } catch (error) {
      this.#options.problem(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #tell(): void {
    for (const [family, packets] of this.#counts) this.#options.sent(packets, family);
    this.#counts.clear();
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#turn);
  }
}
