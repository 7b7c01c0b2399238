/** `node echo-main.ts PORT`: sends every datagram back to where it came from, until it is ended. */
import { createSocket } from "node:dgram";

const socket = createSocket("udp6");
socket.on("message", (message, { port, address }) => socket.send(message, port, address));
// A sender that is gone is no reason to end.
socket.on("error", () => {});
socket.bind(Number(process.argv[2]), "::");
