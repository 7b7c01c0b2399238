import { setTimeout as sleep } from "node:timers/promises";
import { type Frame, NetlinkError, PacketSocket, type PacketSocketOptions } from "@fairlead/netlink";
import type { Announcement } from "./announcement.ts";
import { classifyFor, describeIdentity, type Identity, identityOf } from "./classify.ts";
import { GarpError } from "./error.ts";
import { announcementFilter, SNAP_LENGTH } from "./filter.ts";
import type { ListenOptions } from "./listen-options.ts";

/** The edges of a listener, replaced in tests. */
export interface ListenerComponents {
  /** Default: `PacketSocket.open`. */
  readonly openSocket?: (options: PacketSocketOptions) => PacketSocket;
  /** Waits between attempts to open. Default: a timer. */
  readonly wait?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>;
}

/** What comes of hearing: any number of announcements, then at most one failure. */
export interface HearingHandlers {
  heard(announcement: Announcement): void;
  failed(reason: unknown): void;
}

/** Milliseconds between attempts to open the socket: doubled each time. */
const FIRST_DELAY = 10;
const LONGEST_DELAY = 1000;

/** Hears the announcements of one machine on one link, from `start` to `stop` or failure. */
export class Hearing {
  readonly #options: ListenOptions;
  readonly #identity: Identity;
  readonly #handlers: HearingHandlers;
  readonly #openSocket: (options: PacketSocketOptions) => PacketSocket;
  readonly #wait: NonNullable<ListenerComponents["wait"]>;
  #socket: PacketSocket | undefined;
  #over = false;

  constructor(options: ListenOptions, handlers: HearingHandlers, components: ListenerComponents = {}) {
    options.signal?.throwIfAborted();
    this.#options = options;
    this.#identity = checked(options);
    this.#handlers = handlers;
    this.#openSocket = components.openSocket ?? PacketSocket.open;
    this.#wait = components.wait ?? timer;
  }

  start(): void {
    this.#options.signal?.addEventListener("abort", this.#aborted, { once: true });
    this.#attempt(FIRST_DELAY);
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.signal?.removeEventListener("abort", this.#aborted);
    this.#socket?.close();
  }

  readonly #aborted = () => this.#fail(this.#options.signal?.reason);

  #fail(reason: unknown): void {
    if (this.#over) return;
    this.stop();
    this.#handlers.failed(reason);
  }

  #attempt(delay: number): void {
    try {
      this.#listen();
    } catch (cause) {
      if (isLinkMissing(cause)) this.#failLinkMissing(cause);
      else this.#retry(cause, delay);
    }
  }

  #retry(cause: unknown, delay: number): void {
    const { linkIndex, mac, signal, onProblem } = this.#options;
    const message = `cannot listen on link ${linkIndex} for ${mac}; next attempt in ${delay} ms`;
    onProblem?.(new GarpError("OpenFailed", message, cause));
    this.#wait(delay, signal).then(
      () => {
        if (!this.#over) this.#attempt(Math.min(delay * 2, LONGEST_DELAY));
      },
      (reason: unknown) => this.#fail(signal?.aborted === true ? signal.reason : reason),
    );
  }

  #listen(): void {
    const { netns, linkIndex, mac, keepAlive } = this.#options;
    const socket = this.#openSocket({
      linkIndex,
      filter: announcementFilter(mac),
      snapLength: SNAP_LENGTH,
      ...(netns === undefined ? {} : { netns }),
    });
    this.#socket = socket;
    try {
      socket.listen(
        { onFrame: (frame) => this.#hear(frame), onError: (error) => this.#trouble(error) },
        keepAlive === undefined ? {} : { keepAlive },
      );
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  #hear(frame: Frame): void {
    // The kernel was asked not to deliver these; an old one does.
    if (this.#over || frame.direction === "outgoing") return;
    const verdict = classifyFor(frame.bytes, this.#identity);
    if (!verdict.accepted) {
      this.#options.onRefused?.(verdict.reason);
      return;
    }
    const { kind, address } = verdict;
    this.#handlers.heard({ kind, at: frame.at, mac: this.#options.mac, address });
  }

  #trouble(error: Error): void {
    if (isLinkMissing(error)) {
      this.#failLinkMissing(error);
      return;
    }
    const message = `link ${this.#options.linkIndex} went down or frames were lost; still listening`;
    this.#options.onProblem?.(new GarpError("FramesLost", message, error));
  }

  #failLinkMissing(cause: unknown): void {
    const who = describeIdentity(this.#identity);
    const message = `there is no link ${this.#options.linkIndex} to hear ${who} on; is the target pod still wired?`;
    this.#fail(new GarpError("LinkMissing", message, cause));
  }
}

const isLinkMissing = (error: unknown): boolean => NetlinkError.is(error) && error.code === "NoDevice";

function checked(options: ListenOptions): Identity {
  try {
    return identityOf(options);
  } catch (cause) {
    throw new GarpError(
      "Invalid",
      "the machine to listen for is not described by a MAC and IP addresses",
      cause,
    );
  }
}

const timer = async (milliseconds: number, signal: AbortSignal | undefined): Promise<void> => {
  await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
};
