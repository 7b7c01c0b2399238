export { type Bird, type BirdOptions, createBird } from "./bird.ts";
export { type BirdConfiguration, birdConfiguration } from "./configuration.ts";
export { BgpError, type BgpErrorCode } from "./error.ts";
export * from "./priority.ts";
export type { Session } from "./session.ts";
export { sessionsOf } from "./session.ts";
export type * from "./speaker.ts";
export type { BirdStatus, ProtocolStatus, RouteElsewhere, RouteEntry } from "./status.ts";
