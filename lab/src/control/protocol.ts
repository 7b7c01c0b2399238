import { z } from "zod";

/** One line of JSON each way per request, over the control socket. */
export const request = z.discriminatedUnion("method", [
  z.object({ method: z.literal("status") }),
  z.object({ method: z.literal("kill"), process: z.string(), signal: z.string().startsWith("SIG") }),
  z.object({ method: z.literal("restart"), process: z.string() }),
  z.object({ method: z.literal("stop"), process: z.string() }),
  z.object({ method: z.literal("down") }),
]);
export type Request = z.infer<typeof request>;

export interface NodeStatus {
  readonly name: string;
  readonly role: string;
  /** Process ID, inside the lab, of the process that holds the node's namespaces. */
  readonly pid: number;
}

/** Where a process of the lab is between its start and its end. */
export type ProcessState = "absent" | "waiting" | "running" | "restarting" | "stopped";

/** A process the lab keeps running. */
export interface ProcessStatus {
  readonly name: string;
  readonly node?: string;
  readonly state: ProcessState;
  readonly pid?: number;
  /** How often it was started again. */
  readonly restarts: number;
  /** Resident memory in bytes; 0 while it does not run. */
  readonly memory: number;
  /** How it ended the last time. */
  readonly lastExit?: string;
  readonly log: string;
}

export interface LabStatus {
  readonly topology: string;
  /** Milliseconds since the lab was ready. */
  readonly uptime: number;
  readonly nodes: readonly NodeStatus[];
  readonly processes: readonly ProcessStatus[];
  /** Proportional memory of all processes together, bytes. */
  readonly memory: number;
  /** What the lab could not do but does not need to run. */
  readonly remarks: readonly string[];
}

/** The answer to each method. */
export interface Answers {
  readonly status: LabStatus;
  readonly kill: { readonly pid: number };
  readonly restart: Record<string, never>;
  readonly stop: Record<string, never>;
  readonly down: Record<string, never>;
}

export type Reply<M extends keyof Answers = keyof Answers> =
  | { readonly ok: true; readonly result: Answers[M] }
  | { readonly ok: false; readonly code: string; readonly message: string };
