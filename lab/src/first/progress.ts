import { writeSync } from "node:fs";
import { Socket } from "node:net";
import { messageOf } from "../error.ts";

/** What the first process tells whoever started it, one line of JSON each, on file descriptor 3. */
export type ProgressEvent =
  | { readonly event: "started"; readonly step: string }
  | {
      readonly event: "finished";
      readonly step: string;
      readonly milliseconds: number;
      readonly remark?: string;
    }
  | { readonly event: "failed"; readonly step: string; readonly code: string; readonly message: string }
  | { readonly event: "ready"; readonly milliseconds: number };

export const progressDescriptor = 3;

/** Reports a step's beginning and end, and passes its result or error on. */
export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  tell({ event: "started", step: name });
  try {
    const result = await work();
    tell({ event: "finished", step: name, milliseconds: Math.round(performance.now() - began) });
    return result;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "StartFailed";
    tell({ event: "failed", step: name, code, message: messageOf(error) });
    throw error;
  }
}

export function tell(event: ProgressEvent): void {
  try {
    writeSync(progressDescriptor, `${JSON.stringify(event)}\n`);
  } catch {
    // Nobody listens any more; `onStarterGone` hears of it too.
  }
}

/** Calls back when whoever started the lab closes its end of the descriptor, or dies. */
export function onStarterGone(gone: () => void): void {
  const starter = new Socket({ fd: progressDescriptor, readable: true, writable: false });
  starter.on("error", () => {});
  starter.on("close", gone);
  starter.resume();
}
