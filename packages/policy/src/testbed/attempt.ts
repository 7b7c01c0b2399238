import type { Pod } from "./pod-network.ts";
import { type Family, PosixSocket, pollIn, pollOut, socketAddress } from "./posix-socket.ts";
import { buildInit, sctp } from "./sctp-init.ts";
import { flowKey, type Witness } from "./witness.ts";

/** How one asks another: a protocol and the port asked for. */
export interface Way {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
}

export interface Attempt {
  readonly from: Pod;
  readonly to: Pod;
  readonly family: Family;
  readonly way: Way;
  /** What will be waited for: an answer, or a proof that there is none. */
  readonly expected: boolean;
}

/**
 * - `answered`: the handshake is done and a byte has come back.
 * - `refused`: the kernel says so, as after a reject.
 * - `dropped`: the first packet came to the node and left it nowhere.
 * - `passed`: it left the node, and no answer came.
 * - `lost`: it never came to the node; something is wrong with the testbed.
 */
export type Outcome = "answered" | "refused" | "dropped" | "passed" | "lost";

const patience = 20_000;
const resendAfter = 300;
const protocols = { tcp: 6, udp: 17, sctp } as const;
const byte = Buffer.from("?");

/** Makes all the attempts at once and waits until it is clear what became of each. */
export function attemptAll(attempts: readonly Attempt[], witness: Witness): Outcome[] {
  const clients = attempts.map((attempt) => new Client(attempt));
  const pods = [...new Set(attempts.flatMap(({ from, to }) => [from, to]))];
  const established = (port: number) => {
    const client = clients.find((each) => each.port === port);
    if (client !== undefined) client.outcome = "answered";
  };
  const turn = (timeout: number) => {
    const own = clients.filter(({ socket, outcome }) => socket !== undefined && outcome === undefined);
    const servers = pods.flatMap(({ services }) => services.sockets);
    const sockets = [...own.map(({ socket }) => socket as PosixSocket), ...servers];
    const happened = PosixSocket.poll(
      sockets,
      own.map(({ events }) => events),
      timeout,
    );
    for (const { services } of pods) services.serve(established);
    for (const [index, client] of own.entries()) if (happened[index]) client.step();
  };
  const unheard = () => {
    const seen = witness.read("seen");
    return clients.filter(({ outcome, key }) => outcome === undefined && !seen.has(key));
  };
  const deadline = performance.now() + patience;
  for (let timeout = 0; performance.now() < deadline; timeout = 10) {
    turn(timeout);
    for (const client of clients) client.resend();
    if (clients.some(({ outcome, attempt }) => attempt.expected && outcome === undefined)) continue;
    if (unheard().length === 0) break;
  }
  const lost = new Set(unheard());
  const through = witness.read("through");
  turn(0);
  for (const client of clients) client[Symbol.dispose]();
  for (const { services } of pods) services.hangUp();
  return clients.map(
    (client) =>
      client.outcome ?? (through.has(client.key) ? "passed" : lost.has(client) ? "lost" : "dropped"),
  );
}

/** Every attempt comes from a port of its own, so that conntrack takes none for an old connection. */
const ports = { first: 10_000, count: 50_000 };
let serial = 0;

class Client implements Disposable {
  readonly attempt: Attempt;
  readonly port: number;
  /** None of its own for SCTP, which goes through the pod's raw socket. */
  readonly socket: PosixSocket | undefined;
  outcome: Outcome | undefined;
  events = pollOut;
  #sentAt = performance.now();

  constructor(attempt: Attempt) {
    this.attempt = attempt;
    this.port = ports.first + (serial++ % ports.count);
    this.socket = attempt.way.protocol === "sctp" ? undefined : this.#open(attempt.way.protocol);
    if (attempt.way.protocol !== "tcp") this.#send();
  }

  get key(): string {
    return flowKey(protocols[this.attempt.way.protocol], this.port);
  }

  /** Something has happened on the socket. */
  step(): void {
    const { socket } = this;
    if (socket === undefined || this.outcome !== undefined) return;
    if (socket.error() !== 0) this.outcome = "refused";
    else if (this.events === pollOut) {
      if (this.attempt.way.protocol === "tcp") socket.send(byte);
      this.events = pollIn;
    } else if (socket.receive()?.equals(byte)) this.outcome = "answered";
  }

  /** A datagram may be lost on a busy machine; TCP sends again by itself. */
  resend(): void {
    const { attempt, outcome } = this;
    if (attempt.way.protocol === "tcp" || outcome !== undefined) return;
    if (performance.now() - this.#sentAt > resendAfter) this.#send();
  }

  [Symbol.dispose](): void {
    this.socket?.[Symbol.dispose]();
  }

  #open(protocol: "tcp" | "udp"): PosixSocket {
    const { from, to, family, way } = this.attempt;
    const socket = from.netns.run(() => PosixSocket.open(family, protocol === "tcp" ? "stream" : "datagram"));
    socket.bind(from.addresses[family], this.port);
    if (protocol === "tcp") socket.resetOnClose();
    socket.connect(to.addresses[family], way.port);
    return socket;
  }

  #send(): void {
    this.#sentAt = performance.now();
    const { from, to, family, way } = this.attempt;
    if (this.socket !== undefined) {
      this.socket.send(byte);
      return;
    }
    const init = buildInit(this.port, way.port, this.port);
    from.services.raw[family].sendTo(init, socketAddress(to.addresses[family], 0));
  }
}
