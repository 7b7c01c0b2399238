import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";

/** Ctrl-]. */
const leaveKey = 0x1d;
/** How a connection ends when the machine at its other end is gone: an end like any other. */
const goneCodes: readonly unknown[] = ["EPIPE", "ECONNRESET"];

export interface ConsoleOptions {
  /** Connected, or about to be, with the guest's serial port. */
  readonly socket: Socket;
  readonly keys: Readable;
  readonly screen: Writable;
  /** Milliseconds between two presses of Enter while the guest is silent. Default one second. */
  readonly knockEvery?: number;
}

/**
 * Connects a terminal with a guest's serial port until Ctrl-], or the end of the keys or of the machine. Rejects when there is no connection.
 *
 * A guest does not notice that somebody connects: it has printed its prompt before, and what comes while nothing reads the port may be lost.
 * So Enter is pressed until the guest says something, and what is typed meanwhile is sent then.
 */
export async function attachConsole(options: ConsoleOptions): Promise<void> {
  const { socket, keys, screen, knockEvery = 1_000 } = options;
  const over = Promise.withResolvers<void>();
  let waiting: Buffer[] | undefined = [];
  let isLeaving = false;

  const knock = () => socket.write("\n");
  knock();
  const knocking = setInterval(knock, knockEvery);
  const leave = () => {
    clearInterval(knocking);
    socket.end();
  };
  const greet = () => {
    clearInterval(knocking);
    for (const typed of waiting ?? []) socket.write(typed);
    waiting = undefined;
    if (isLeaving) leave();
  };
  const type = (typed: Buffer) => {
    const end = typed.indexOf(leaveKey);
    const meant = end < 0 ? typed : typed.subarray(0, end);
    if (waiting) waiting.push(meant);
    else socket.write(meant);
    if (end >= 0) leave();
  };
  const finish = () => {
    isLeaving = true;
    if (!waiting) leave();
  };
  keys.on("data", type).on("end", finish);
  socket.once("data", greet).on("data", (text) => screen.write(text));
  socket.on("end", leave).on("close", () => over.resolve());
  socket.on("error", (error) =>
    "code" in error && goneCodes.includes(error.code) ? over.resolve() : over.reject(error),
  );
  try {
    await over.promise;
  } finally {
    clearInterval(knocking);
    keys.off("data", type).off("end", finish).pause();
  }
}
