export { probeAcceleration } from "./acceleration.ts";
export {
  type Acceleration,
  consoleSocket,
  type Domain,
  type MachineOptions,
  machineArguments,
  qmpSocket,
} from "./arguments.ts";
export { monotonicNow, realtimeOffset } from "./clock.ts";
export { QemuError } from "./error.ts";
export { type Machine, type MachineExit, startMachine } from "./machine.ts";
export {
  type Arrival,
  type MigrateOptions,
  type MigrationResult,
  migrate,
  type PostCopy,
  receive,
} from "./migration.ts";
export { defaultCache, type PreparedGuest, prepareGuest } from "./prepare.ts";
export { findQemu } from "./program.ts";
export { QmpClient, type QmpEvent } from "./qmp.ts";
