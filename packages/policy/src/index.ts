export type { Clock } from "./clock.ts";
export { createPolicyEngine, type PolicyEngineOptions } from "./create-engine.ts";
export type { Dataplane, DataplaneHealth, Receipt } from "./dataplane.ts";
export type { EndpointState, LocalEndpoint, NamedPort } from "./endpoint.ts";
export type { EngineHealth, ObjectRef, PolicyEngine, PolicyKind, PolicyObject, Problem } from "./engine.ts";
export { PolicyError, type PolicyErrorCode } from "./error.ts";
export type { Action, Explanation, Packet, Protocol, Step } from "./packet.ts";
export { defaultSettings, type FailsafePort, type PolicySettings } from "./settings.ts";
