import { closeSync } from "node:fs";
import { constants } from "node:os";
import type { NetworkNamespace } from "@fairlead/netlink";
import koffi from "koffi";
import { PolicyError } from "../error.ts";
import { readAttributes, readText } from "./attribute.ts";
import { attribute, family, message, netlink, subsystem } from "./constants.ts";

const afNetlink = 16;
const rawCloseOnExec = 3 | 0o2000000;
const netfilter = 12;
const solSocket = 1;
/** SO_SNDBUF and SO_RCVBUF, and what exceeds the system's limit for them: socket(7). */
const sendBuffer = { plain: 7, force: 32 } as const;
const receiveBuffer = { plain: 8, force: 33 } as const;
const solNetlink = 270;
const addMembership = 1;
const dropMembership = 2;
const capAck = 10;
const extendedAck = 11;
const nftablesGroup = 7;
const dontWait = 0x40;
const headerBytes = 16;
const genmsgBytes = 4;
const errorMessageAttribute = 1;

/** One message from the kernel, without its headers. */
export interface KernelMessage {
  readonly kind: number;
  readonly family: number;
  readonly port: number;
  readonly attributes: Map<number, Buffer>;
}

/** The kernel's refusal of one message of a batch. */
export interface Refusal {
  readonly errno: number;
  /** Sequence number of the message within the batch. */
  readonly sequence: number;
  /** The kernel's own words, when it has some. */
  readonly text: string;
}

/** A connection to nf_tables of one network namespace, in which it stays. All calls are synchronous system calls. */
export class NftablesSocket implements Disposable {
  #fd: number;
  readonly #buffer = Buffer.alloc(1 << 18);
  /** Our address; the kernel names it as the author of our changes. */
  readonly port: number;

  private constructor(fd: number) {
    this.#fd = fd;
    const name = Buffer.alloc(12);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(12);
    check(libc().getsockname(fd, name, length), "find our netlink address");
    this.port = name.readUInt32LE(4);
  }

  /** @throws PolicyError `NotPermitted`, `KernelLacks` */
  static open(options: { netns?: NetworkNamespace | undefined; events?: boolean } = {}): NftablesSocket {
    const make = () => libc().socket(afNetlink, rawCloseOnExec, netfilter);
    const fd = check(options.netns ? options.netns.run(make) : make(), "open a netfilter netlink socket");
    const address = Buffer.alloc(12);
    address.writeUInt16LE(afNetlink);
    check(libc().bind(fd, address, address.length), "bind the netfilter netlink socket");
    enlarge(fd, receiveBuffer, 16 << 20);
    set(fd, solNetlink, capAck, 1);
    set(fd, solNetlink, extendedAck, 1);
    if (options.events) set(fd, solNetlink, addMembership, nftablesGroup);
    return new NftablesSocket(fd);
  }

  /** Sends a batch; the kernel works on it before this returns. The refusals, none when all is in force. */
  commit(batch: Buffer): Refusal[] {
    enlarge(this.#fd, sendBuffer, batch.length + 4096);
    check(libc().send(this.#fd, batch, batch.length, 0), "send a transaction to nf_tables");
    const refusals: Refusal[] = [];
    for (const part of this.#available()) {
      const refusal = readRefusal(part);
      if (refusal !== undefined) refusals.push(refusal);
    }
    return refusals;
  }

  /** All objects of a kind, for example every rule of a table. An interrupted dump is started again. */
  dump(kind: number, familyName: keyof typeof family, filter: (out: Buffer[]) => void): KernelMessage[] {
    for (;;) {
      const parts: Buffer[] = [];
      filter(parts);
      const body = Buffer.concat(parts);
      const request = Buffer.alloc(headerBytes + genmsgBytes + body.length);
      request.writeUInt32LE(request.length);
      request.writeUInt16LE(subsystem | kind, 4);
      request.writeUInt16LE(netlink.request | netlink.dump, 6);
      request[headerBytes] = family[familyName];
      body.copy(request, headerBytes + genmsgBytes);
      check(libc().send(this.#fd, request, request.length, 0), "ask nf_tables for its state");
      const found = this.#readDump();
      if (found !== undefined) return found;
    }
  }

  /** The number of the kernel's current ruleset; every transaction of anybody in this namespace raises it. */
  generation(): number {
    const request = Buffer.alloc(headerBytes + genmsgBytes);
    request.writeUInt32LE(request.length);
    request.writeUInt16LE(subsystem | message.getGeneration, 4);
    request.writeUInt16LE(netlink.request, 6);
    check(libc().send(this.#fd, request, request.length, 0), "ask nf_tables for its generation");
    for (const part of this.#available()) {
      const id = toMessage(part)?.attributes.get(attribute.generation.id);
      if (id !== undefined) return id.readUInt32BE();
    }
    throw new PolicyError("KernelLacks", "nf_tables did not tell its generation; load the module nf_tables.");
  }

  /**
   * Starts or stops hearing announcements. The kernel makes one for every element, which costs more than the element itself, unless
   * nobody listens.
   */
  listen(on: boolean): void {
    set(this.#fd, solNetlink, on ? addMembership : dropMembership, nftablesGroup);
  }

  /** What the kernel announced since the last call, or `undefined` when announcements were lost. */
  events(): KernelMessage[] | undefined {
    const seen: KernelMessage[] = [];
    for (;;) {
      const size = libc().recv(this.#fd, this.#buffer, this.#buffer.length, dontWait);
      if (size < 0) {
        const errno = koffi.errno();
        if (errno === constants.errno.EAGAIN) return seen;
        if (errno === constants.errno.ENOBUFS) return undefined;
        if (errno === constants.errno.EINTR) continue;
        throw systemError(errno, "read nf_tables events");
      }
      for (const part of split(Buffer.from(this.#buffer.subarray(0, size)))) {
        const event = toMessage(part);
        if (event !== undefined) seen.push(event);
      }
    }
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #readDump(): KernelMessage[] | undefined {
    const found: KernelMessage[] = [];
    let interrupted = false;
    for (;;) {
      const size = check(
        libc().recv(this.#fd, this.#buffer, this.#buffer.length, 0),
        "read nf_tables' state",
      );
      for (const part of split(Buffer.from(this.#buffer.subarray(0, size)))) {
        if (part.readUInt16LE(6) & dumpInterrupted) interrupted = true;
        const type = part.readUInt16LE(4);
        if (type === netlink.done) return interrupted ? undefined : found;
        const refusal = readRefusal(part);
        if (refusal?.errno === constants.errno.ENOENT) return [];
        if (refusal?.errno === constants.errno.EINTR) return undefined;
        if (refusal !== undefined) throw systemError(refusal.errno, "read nf_tables' state");
        const item = toMessage(part);
        if (item !== undefined) found.push(item);
      }
    }
  }

  *#available(): Generator<Buffer> {
    for (;;) {
      const size = libc().recv(this.#fd, this.#buffer, this.#buffer.length, dontWait);
      if (size >= 0) {
        yield* split(this.#buffer.subarray(0, size));
        continue;
      }
      const errno = koffi.errno();
      if (errno === constants.errno.EAGAIN) return;
      if (errno !== constants.errno.EINTR) throw systemError(errno, "read nf_tables' answer");
    }
  }
}

const dumpInterrupted = 0x10;

function* split(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const size = bytes.readUInt32LE(at);
    if (size < headerBytes || at + size > bytes.length) return;
    yield bytes.subarray(at, at + size);
    at += (size + 3) & ~3;
  }
}

function toMessage(part: Buffer): KernelMessage | undefined {
  const type = part.readUInt16LE(4);
  if (type >> 8 !== subsystem >> 8) return undefined;
  return {
    kind: type & 0xff,
    family: part[headerBytes] ?? 0,
    port: part.readUInt32LE(12),
    attributes: readAttributes(part.subarray(headerBytes + genmsgBytes)),
  };
}

/** Error number 0 is an acknowledgement. */
function readRefusal(part: Buffer): Refusal | undefined {
  if (part.readUInt16LE(4) !== netlink.error) return undefined;
  const errno = -part.readInt32LE(headerBytes);
  if (errno === 0) return undefined;
  const details = part.subarray(headerBytes + 4 + headerBytes);
  const extended = (part.readUInt16LE(6) & 0x200) !== 0 ? readAttributes(details) : new Map<number, Buffer>();
  return { errno, sequence: part.readUInt32LE(8), text: readText(extended.get(errorMessageAttribute)) };
}

interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  send(fd: number, bytes: Buffer, length: number, flags: number): number;
  recv(fd: number, into: Buffer, length: number, flags: number): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number;
  getsockname(fd: number, address: Buffer, length: Buffer): number;
}

let loaded: Libc | undefined;

function libc(): Libc {
  if (loaded !== undefined) return loaded;
  const library = koffi.load(null);
  loaded = {
    socket: library.func("int socket(int domain, int type, int protocol)"),
    bind: library.func("int bind(int fd, const void *address, uint32_t length)"),
    send: library.func("long send(int fd, const void *bytes, size_t length, int flags)"),
    recv: library.func("long recv(int fd, void *into, size_t length, int flags)"),
    setsockopt: library.func(
      "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)",
    ),
    getsockname: library.func("int getsockname(int fd, void *address, void *length)"),
  };
  return loaded;
}

function set(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  check(libc().setsockopt(fd, level, name, bytes, 4), "configure the netfilter netlink socket");
}

/** Beyond the system's limit where we may: in a user namespace of our own nobody may, and gets what the limit allows. */
function enlarge(fd: number, { plain, force }: typeof sendBuffer | typeof receiveBuffer, size: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(size);
  if (libc().setsockopt(fd, solSocket, force, bytes, 4) < 0) set(fd, solSocket, plain, size);
}

function check(result: number, what: string): number {
  if (result >= 0) return result;
  throw systemError(koffi.errno(), what);
}

export function systemError(errno: number, what: string): PolicyError {
  const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  if (errno === constants.errno.EPERM || errno === constants.errno.EACCES) {
    return new PolicyError("NotPermitted", `Could not ${what}: ${name}. Run the agent with CAP_NET_ADMIN.`);
  }
  if (errno === constants.errno.EPROTONOSUPPORT || errno === constants.errno.EOPNOTSUPP) {
    return new PolicyError("KernelLacks", `Could not ${what}: ${name}. The kernel needs CONFIG_NF_TABLES.`);
  }
  return new PolicyError(
    "KernelRefused",
    `Could not ${what}: ${name}. Nothing was changed; it is safe to try again.`,
  );
}
