import { closeSync } from "node:fs";
import { adviceFor } from "./advice.ts";
import { systemError } from "./errno.ts";
import { NetlinkError } from "./error.ts";
import { errno, libc } from "./libc.ts";
import { Attributes, type Message, malformed, needHeader, readMessages } from "./message-reader.ts";
import { MessageWriter } from "./message-writer.ts";
import { type NetworkNamespace, namespaceOfSocket } from "./network-namespace.ts";

/** What is being done, for error messages; asked for only when it fails. */
export type Describe = () => { readonly operation: string; readonly object?: string };

export interface NetlinkSocketOptions {
  readonly netns?: NetworkNamespace;
  /** Longest wait for one datagram, milliseconds. Default 5000. */
  readonly deadline?: number;
  /** Multicast groups, one bit each (struct sockaddr_nl). Such a socket does not block. */
  readonly groups?: number;
}

/** Writes the body of a message: fixed header and attributes. */
export type WriteBody = (writer: MessageWriter) => void;

export interface BatchItem {
  readonly type: number;
  readonly flags: number;
  readonly write: WriteBody;
  readonly describe: Describe;
}

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
const NLM_F_DUMP = 0x300;
const NLM_F_ACK_TLVS = 0x200;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const EINTR = 4;
const EAGAIN = 11;

/** Messages of one send. Only refused ones are answered one by one, so their answers fit the receive buffer. */
const BATCH = 512;
const BATCH_BYTES = 128 * 1024;
const RECEIVE_BUFFER = 4 * 1024 * 1024;
const DUMP_ATTEMPTS = 8;

/**
 * A netlink socket connected to the kernel: it hears nobody else. Requests, dumps and batches are synchronous; answers are matched by sequence number, so
 * that a late one (after a timeout) is skipped.
 */
export class NetlinkSocket implements Disposable {
  #fd: number;
  #sequence = 0;
  readonly #writer = new MessageWriter(16 * 1024);
  readonly #receive = Buffer.alloc(256 * 1024);

  /** `protocol`: NETLINK_ROUTE 0, NETLINK_NETFILTER 12. */
  static open(protocol: number, options: NetlinkSocketOptions = {}): NetlinkSocket {
    const open = () => new NetlinkSocket(protocol, options);
    return options.netns === undefined ? open() : options.netns.run(open);
  }

  private constructor(protocol: number, { deadline = 5000, groups = 0 }: NetlinkSocketOptions) {
    const blocking = groups === 0 ? 0 : SOCK_NONBLOCK;
    this.#fd = libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | blocking, protocol);
    if (this.#fd < 0) {
      throw systemError(errno(), "open netlink socket", `protocol ${protocol}`, {
        advice: protocol === 12 ? "Load the module nfnetlink" : undefined,
      });
    }
    try {
      this.#configure(deadline, groups);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #configure(deadline: number, groups: number): void {
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    address.writeUInt32LE(groups, 8);
    if (libc().bind(this.#fd, address, 12) !== 0) throw systemError(errno(), "bind netlink socket");
    // Connected to port 0, the kernel, the socket refuses messages of other processes.
    address.writeUInt32LE(0, 8);
    if (libc().connect(this.#fd, address, 12) !== 0) throw systemError(errno(), "connect netlink socket");
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(Math.floor(deadline / 1000)), 0);
    timeout.writeBigInt64LE(BigInt((deadline % 1000) * 1000), 8);
    if (libc().setsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, timeout, 16) !== 0) {
      throw systemError(errno(), "set netlink deadline");
    }
    // These only make errors better and dumps narrower: a kernel without them is served too.
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
      libc().setsockopt(this.#fd, SOL_NETLINK, option, int(1), 4);
    }
    libc().setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, int(RECEIVE_BUFFER), 4);
  }

  get fd(): number {
    if (this.#fd >= 0) return this.#fd;
    throw new NetlinkError({ code: "Closed", operation: "use netlink socket" });
  }

  /** The namespace the socket lives in. Needs CAP_NET_ADMIN. */
  namespace(): NetworkNamespace {
    return namespaceOfSocket(this.fd);
  }

  /** One request and the kernel's acknowledgement; what it sends before that goes to `onMessage`. */
  request(
    type: number,
    flags: number,
    write: WriteBody,
    describe: Describe,
    onMessage?: (message: Message) => void,
  ): void {
    const sequence = this.#begin(type, flags | NLM_F_REQUEST | NLM_F_ACK, write);
    this.#send(describe);
    this.#collect(sequence, describe, onMessage);
  }

  /** A dump. Repeated when the kernel says that the table changed meanwhile; `Interrupted` when it never stands still. */
  dump<T>(
    type: number,
    write: WriteBody,
    decode: (message: Message) => T | undefined,
    describe: Describe,
  ): T[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const found: T[] = [];
      const sequence = this.#begin(type, NLM_F_REQUEST | NLM_F_DUMP, write);
      this.#send(describe);
      const whole = this.#collect(sequence, describe, (message) => {
        const item = decode(message);
        if (item !== undefined) found.push(item);
      });
      if (whole) return found;
    }
    throw new NetlinkError({
      code: "Interrupted",
      ...describe(),
      advice: `The table changed during each of ${DUMP_ATTEMPTS} reads; try again`,
    });
  }

  /**
   * Many requests, in order, in few system calls. Only the last of each send asks for an acknowledgement; errors are reported anyway.
   * Element i is the error of item i.
   */
  batch(items: readonly BatchItem[]): (NetlinkError | undefined)[] {
    const errors = new Array<NetlinkError | undefined>(items.length).fill(undefined);
    for (let start = 0; start < items.length; ) start = this.#sendSome(items, start, errors);
    return errors;
  }

  #sendSome(items: readonly BatchItem[], start: number, errors: (NetlinkError | undefined)[]): number {
    const writer = this.#writer;
    const first = (this.#sequence + 1) >>> 0;
    let end = start;
    writer.clear();
    while (end < items.length && end - start < BATCH && writer.length < BATCH_BYTES) {
      const item = items[end++]!;
      this.#sequence = (this.#sequence + 1) >>> 0;
      writer.begin(item.type, item.flags | NLM_F_REQUEST, this.#sequence);
      item.write(writer);
      writer.end();
    }
    writer.addFlags(NLM_F_ACK);
    const last = this.#sequence;
    const describe = () => items[start]!.describe();
    this.#send(describe);
    for (let done = false; !done; ) {
      for (const message of readMessages(this.#next(describe))) {
        const index = (message.sequence - first) >>> 0;
        if (message.type !== NLMSG_ERROR || index >= end - start) continue;
        const item = items[start + index]!;
        errors[start + index] = verdict(message, item.describe);
        if (message.sequence === last) done = true;
      }
    }
    return end;
  }

  #begin(type: number, flags: number, write: WriteBody): number {
    const writer = this.#writer;
    this.#sequence = (this.#sequence + 1) >>> 0;
    writer.clear();
    writer.begin(type, flags, this.#sequence);
    write(writer);
    writer.end();
    return this.#sequence;
  }

  #send(describe: Describe): void {
    const { store, length } = this.#writer;
    for (;;) {
      if (libc().send(this.fd, store, length, 0) >= 0) return;
      const number = errno();
      if (number !== EINTR) throw failure(number, describe);
    }
  }

  /** Reads to the end of the answer; false when a dump was interrupted. Even when decoding fails, the answer is read to its end. */
  #collect(sequence: number, describe: Describe, onMessage?: (message: Message) => void): boolean {
    let whole = true;
    let failed: unknown;
    for (;;) {
      for (const message of readMessages(this.#next(describe))) {
        if (message.sequence !== sequence) continue;
        if (message.flags & NLM_F_DUMP_INTR && message.type !== NLMSG_ERROR) whole = false;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          const error = failed ?? verdict(message, describe);
          if (error !== undefined) throw error;
          return whole;
        }
        try {
          onMessage?.(message);
        } catch (error) {
          failed ??= error;
        }
      }
    }
  }

  #next(describe: Describe): Buffer {
    for (;;) {
      const length = libc().recv(this.fd, this.#receive, this.#receive.length, MSG_TRUNC);
      if (length >= 0) return this.#whole(length);
      const number = errno();
      if (number !== EINTR) throw failure(number, describe);
    }
  }

  /** A datagram that waits, or undefined; never blocks. For multicast sockets. Throws `Overrun` when messages were lost. */
  poll(): Buffer | undefined {
    for (;;) {
      const length = libc().recv(this.fd, this.#receive, this.#receive.length, MSG_TRUNC | MSG_DONTWAIT);
      if (length >= 0) return this.#whole(length);
      const number = errno();
      if (number === EAGAIN) return undefined;
      if (number !== EINTR) throw systemError(number, "receive netlink events");
    }
  }

  #whole(length: number): Buffer {
    if (length > this.#receive.length) throw malformed("datagram", `${length} bytes do not fit the buffer`);
    return this.#receive.subarray(0, length);
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What NLMSG_ERROR or NLMSG_DONE says: undefined for success. */
export function verdict(message: Message, describe: Describe): NetlinkError | undefined {
  const { payload, type, flags } = message;
  if (payload.length < 4) {
    if (type === NLMSG_DONE) return undefined;
    needHeader(payload, 4, "acknowledgement");
  }
  const number = -payload.readInt32LE(0);
  if (number === 0) return undefined;
  // struct nlmsgerr repeats the header of the request; NLMSG_DONE does not.
  const skip = type === NLMSG_ERROR ? 20 : 4;
  const detail = flags & NLM_F_ACK_TLVS ? new Attributes(payload, skip).string(NLMSGERR_ATTR_MSG) : undefined;
  return failure(number, describe, detail);
}

const NLMSGERR_ATTR_MSG = 1;

function failure(number: number, describe: Describe, detail?: string): NetlinkError {
  const { operation, object } = describe();
  return systemError(number, operation, object, {
    ...(detail === undefined ? {} : { detail }),
    advice: adviceFor(number, operation),
  });
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
