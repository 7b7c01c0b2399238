import { createSocket, type Socket } from "node:dgram";
import { binding } from "./bridge-binding.ts";
import { type DhcpLease, dhcpReply, parseDhcpRequest } from "./dhcp-message.ts";

export interface DhcpServer extends AsyncDisposable {
  /** From now on only this client is answered. */
  serve(client: { mac: string; lease: DhcpLease }): void;
}

/**
 * KubeVirt's DHCP server for one guest, in this process's network namespace, which must have the binding's bridge. It
 * answers one hardware address, with broadcasts on the bridge, and is silent towards everybody else.
 *
 * Two sockets: one hears broadcasts; the other, bound to the bridge's address, makes the kernel send on the bridge
 * although the namespace has no route at all.
 */
export async function startDhcpServer(): Promise<DhcpServer> {
  let served: { mac: string; lease: DhcpLease } | undefined;
  const hearing = await bindSocket("0.0.0.0");
  const sending = await bindSocket(binding.bridgeAddress);
  sending.setBroadcast(true);
  const answer = (message: Buffer) => {
    const request = parseDhcpRequest(message);
    if (request === undefined || served?.mac !== request.mac) return;
    sending.send(dhcpReply(request, served.lease, binding.bridgeAddress), 68, "255.255.255.255", () => {});
  };
  hearing.on("message", answer);
  sending.on("message", answer);
  return {
    serve: (client) => {
      served = client;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(
        [hearing, sending].map((socket) => new Promise<void>((done) => socket.close(() => done()))),
      );
    },
  };
}

async function bindSocket(address: string): Promise<Socket> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(67, address, () => resolve());
  });
  socket.on("error", () => {});
  return socket;
}
