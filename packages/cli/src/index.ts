/**
 * `fairleadctl`, also `calicoctl`: the command line as a value, for embedding and for tests.
 *
 * @packageDocumentation
 */
export { renderStatus } from "./node-commands.ts";
export { createProgram, type GlobalOptions } from "./program.ts";
export { openCluster, type Session } from "./session.ts";
export { UsageError } from "./usage-error.ts";
