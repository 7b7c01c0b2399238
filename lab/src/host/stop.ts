import { setTimeout as delay } from "node:timers/promises";
import { ask } from "../control/client.ts";
import { sendSignal, startTimeOf } from "../process.ts";
import { controlSocketOf, type LabState, removeState } from "./state.ts";

/** Ends the lab, by request and, when it does not obey, by killing its first process. */
export async function stopLab(state: LabState, patience = 5_000): Promise<void> {
  await ask(controlSocketOf(state), { method: "down" }, patience).catch(() => undefined);
  const deadline = Date.now() + patience;
  while (startTimeOf(state.pid) === state.startTime) {
    if (Date.now() > deadline) sendSignal(state.pid, "SIGKILL");
    await delay(20);
  }
  await removeState();
}
