import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { NodeStatus } from "../control/protocol.ts";
import { entering } from "./machines.ts";

/** What a guest says of itself at `http://ADDRESS/status`. */
export interface GuestStatus {
  /** Changes when the guest's kernel starts again. */
  readonly bootId: string;
}

/** Asks a guest over the network, from one of the lab's machines. Rejects when it does not answer within ten seconds. */
export async function readGuestStatus(from: NodeStatus, address: string): Promise<GuestStatus> {
  const [program, ...args] = [
    ...entering(from),
    "busybox",
    "wget",
    "-T",
    "10",
    "-qO-",
    `http://${address}/status`,
  ];
  const { stdout } = await promisify(execFile)(program!, args);
  return JSON.parse(stdout);
}
