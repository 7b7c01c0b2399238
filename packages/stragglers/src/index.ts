/**
 * Sends after a migrated guest what arrived for it at the host it left and it had not read.
 *
 * @packageDocumentation
 */
export { type Departure, type DepartureHandlers, seeOff } from "./see-off.ts";
