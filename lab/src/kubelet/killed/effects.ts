/** At which effect of the agent something happens, and what. */
export interface Armed {
  readonly effect: string;
  /** `terminate`: it gets SIGTERM and goes on. `stall`: it waits until it is disarmed. */
  readonly action: "kill" | "terminate" | "stall";
}
