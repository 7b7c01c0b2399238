import type { Socket } from "node:net";
import { createInterface } from "node:readline";

/** Calls the listener for every line a socket brings. How the connection ends is told by its `close`, not by errors. */
export function onLine(socket: Socket, listener: (line: string) => void): void {
  socket.on("error", () => {});
  // readline passes the socket's errors on as its own, and an error without a listener ends the process.
  createInterface({ input: socket })
    .on("line", listener)
    .on("error", () => {});
}
