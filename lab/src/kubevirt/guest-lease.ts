import { once } from "node:events";
import { connect } from "node:net";
import { until } from "./tiny-cluster.ts";

/** Has a guest ask for a lease once more over the console at this socket, and returns what its DHCP client says. */
export async function askForLease(console: string): Promise<string> {
  const socket = connect(console);
  let screen = "";
  socket.on("data", (text) => {
    screen += text;
  });
  await once(socket, "connect");
  socket.write("\nudhcpc -i eth0 -n -q -t 3 -T 1 -s /bin/true; echo over-$((20 + 3))\n");
  await until("the DHCP client to end", async () => screen.includes("over-23"));
  socket.destroy();
  return screen;
}
