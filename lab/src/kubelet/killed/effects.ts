/** At which effect of the agent something happens, and what. */
export interface Armed {
  readonly effect: string;
  /** `stall`: it waits until it is disarmed. */
  readonly action: "kill" | "stall";
}
