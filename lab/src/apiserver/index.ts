export type { Extension, ExtensionRequest } from "./rest/extension.ts";
export type { ApiServer, ApiServerOptions, Clock, Subject } from "./server.ts";
export { startApiServer } from "./server.ts";
