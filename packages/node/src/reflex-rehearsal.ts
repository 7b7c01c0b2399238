import { type AnnouncementListener, createAnnouncementListener } from "@fairlead/garp";
import { NetworkNamespace, PacketSocket, parseMac, RouteSocket } from "@fairlead/netlink";

const mac = "02:00:00:00:00:01";
/** Loopback: the first link of every namespace. */
const linkIndex = 1;
/** Milliseconds. */
const longest = 2_000;

/**
 * Hears an announcement and changes routes once, in a namespace of its own that nobody sees. The first real guest then finds threads running and code
 * loaded: without this it would wait some hundred milliseconds longer.
 */
export async function rehearse(listener: AnnouncementListener = createAnnouncementListener()): Promise<void> {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  route.links.set(linkIndex, { up: true });
  using guest = PacketSocket.open({ netns, linkIndex });
  const signal = AbortSignal.timeout(longest);
  const heard = listener.listen({ netns, linkIndex, mac, addresses: [], keepAlive: false, signal });
  guest.send(rarp());
  await heard;
  for (const destination of ["192.0.2.1/32", "2001:db8::1/128"]) {
    const key = { destination, linkIndex, metric: 1 };
    route.routes.batch([
      { op: "prepend", route: key },
      { op: "delete", route: key },
    ]);
  }
  route.neighbours.replace({ linkIndex, address: "192.0.2.1", mac, state: "reachable" });
}

/** RFC 903, as QEMU sends it. */
function rarp(): Buffer {
  const guest = parseMac(mac);
  const nobody = Buffer.alloc(4);
  const [everybody, head] = [Buffer.alloc(6, 0xff), Buffer.from("80350001080006040003", "hex")];
  return Buffer.concat([everybody, guest, head, guest, nobody, guest, nobody]);
}
