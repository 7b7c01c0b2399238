import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { NodeStatus } from "../control/protocol.ts";
import { entering } from "./machines.ts";

/** What a guest says of itself at `http://ADDRESS/status`. */
export interface GuestStatus {
  /** Changes when the guest's kernel starts again. */
  readonly bootId: string;
}

const fetchText = `
  const answer = await fetch(process.argv[1], { signal: AbortSignal.timeout(10_000) });
  process.stdout.write(await answer.text());
`;

/** Asks a guest over the network, from one of the lab's machines. Rejects when it does not answer within ten seconds. */
export async function readGuestStatus(from: NodeStatus, address: string): Promise<GuestStatus> {
  const node = [process.execPath, "--input-type=module", "--eval", fetchText];
  const [program, ...args] = [...entering(from), ...node, `http://${address}/status`];
  const { stdout } = await promisify(execFile)(program!, args);
  return JSON.parse(stdout);
}
