import { connect, type Socket } from "node:net";
import { BgpError } from "./error.ts";
import { type ReplyLine, ReplyReader } from "./reply.ts";

interface Waiting {
  readonly resolve: (lines: ReplyLine[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A connection to BIRD's control socket. Commands are answered in order, one at a time. After any failure the connection is
 * dropped, and the next command opens a new one, so a restart of BIRD costs one failed command.
 */
export class ControlConnection {
  readonly #path: string;
  readonly #timeout: number;
  #socket: Promise<Socket> | undefined;
  #waiting: Waiting[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string, timeout: number) {
    this.#path = path;
    this.#timeout = timeout;
  }

  /**
   * Sends one command and returns its reply.
   *
   * @throws BgpError `Unreachable`, `Timeout`, `Closed`, `UnexpectedReply`; `CommandFailed` for codes 8000 and above, except
   * those listed in `expected`
   */
  command(
    text: string,
    options: { readonly signal?: AbortSignal; readonly expected?: readonly number[] } = {},
  ): Promise<readonly ReplyLine[]> {
    if (/[\n\r\0]/.test(text)) throw new TypeError("a BIRD command is one line");
    const turn = this.#last.then(() => this.#exchange(text, options.signal));
    this.#last = turn.catch(() => undefined);
    return turn.then((lines) => {
      const failure = lines.find(({ code }) => code >= 8000 && !options.expected?.includes(code));
      if (failure === undefined) return lines;
      throw new BgpError("CommandFailed", `BIRD refused "${text}": ${failure.text} (${failure.code})`);
    });
  }

  close(): void {
    this.#drop(new BgpError("Closed", "the connection to BIRD was closed by its user"));
  }

  async #exchange(text: string, signal: AbortSignal | undefined): Promise<ReplyLine[]> {
    signal?.throwIfAborted();
    const deadline = AbortSignal.timeout(this.#timeout);
    const stop = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
    const onStop = () =>
      this.#drop(
        signal?.aborted
          ? signal.reason
          : new BgpError(
              "Timeout",
              `BIRD did not answer "${text}" within ${this.#timeout} ms; check that it is not stopped or overloaded`,
            ),
      );
    stop.addEventListener("abort", onStop, { once: true });
    try {
      const socket = await this.#connected();
      socket.ref();
      const reply = this.#next();
      socket.write(`${text}\n`);
      return await reply;
    } finally {
      stop.removeEventListener("abort", onStop);
      // A connection that waits for nothing must not keep the process alive; one that waits must.
      this.#current?.unref();
    }
  }

  #next(): Promise<ReplyLine[]> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #connected(): Promise<Socket> {
    this.#socket ??= this.#open();
    return this.#socket;
  }

  async #open(): Promise<Socket> {
    const socket = connect({ path: this.#path });
    const reader = new ReplyReader();
    const greeting = this.#next();
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      try {
        for (const reply of reader.push(chunk)) this.#waiting.shift()?.resolve(reply);
      } catch (error) {
        this.#drop(error, socket);
      }
    });
    socket.on("error", (cause) =>
      this.#drop(
        new BgpError(
          "Unreachable",
          `no BIRD answers at ${this.#path} (${cause.message}); start BIRD with -s ${this.#path}`,
          { cause },
        ),
        socket,
      ),
    );
    socket.on("close", () =>
      this.#drop(new BgpError("Closed", "BIRD closed the control connection; try again"), socket),
    );
    this.#current = socket;
    await greeting;
    return socket;
  }

  #current: Socket | undefined;

  #drop(error: unknown, socket = this.#current): void {
    if (socket !== this.#current) return;
    this.#current = undefined;
    this.#socket = undefined;
    socket?.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
