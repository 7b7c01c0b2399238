import { execFileSync } from "node:child_process";
import type { NetworkNamespace } from "@fairlead/netlink";
import { listAttributes, readAttributes, textAttribute } from "../nftables/attribute.ts";
import { attribute, message } from "../nftables/constants.ts";
import { NftablesSocket } from "../nftables/socket.ts";

const table = "witness";
const rule = (set: string) => `meta l4proto { tcp, udp, sctp } update @${set} { meta l4proto . th sport }`;
const program = `table inet ${table} {
  set seen { type inet_proto . inet_service; flags dynamic; size 65535; }
  set through { type inet_proto . inet_service; flags dynamic; size 65535; }
  chain before {
    type filter hook prerouting priority -400
    ${rule("seen")}
  }
  chain after {
    type filter hook postrouting priority 300
    ${rule("through")}
  }
}`;

/**
 * Rules of another program around ours on a node: which flows came in before the firewall looked, and which left after it had. So a
 * drop is proved by the kernel, not by how long nothing was heard. A flow is told by its protocol and source port.
 */
export class Witness implements Disposable {
  readonly #socket: NftablesSocket;

  constructor(netns: NetworkNamespace) {
    netns.run(() => execFileSync("nft", ["-f", "-"], { input: program }));
    this.#socket = NftablesSocket.open({ netns });
  }

  /** Flows, as `flowKey` writes them. */
  read(which: "seen" | "through"): ReadonlySet<string> {
    const found = new Set<string>();
    const parts = this.#socket.dump(message.getElement, "inet", (out) =>
      out.push(textAttribute(attribute.elements.table, table), textAttribute(attribute.elements.set, which)),
    );
    for (const part of parts) {
      const list = part.attributes.get(attribute.elements.list) ?? Buffer.alloc(0);
      for (const [, item] of listAttributes(list)) {
        const key = readAttributes(item).get(attribute.element.key) ?? Buffer.alloc(0);
        const bytes = readAttributes(key).get(attribute.data.value);
        if (bytes !== undefined) found.add(flowKey(bytes[0] ?? 0, bytes.readUInt16BE(4)));
      }
    }
    return found;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

export const flowKey = (protocol: number, sourcePort: number): string => `${protocol} ${sourcePort}`;
