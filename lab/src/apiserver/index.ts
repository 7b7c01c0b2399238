export type { ApiServer, ApiServerOptions, Clock, Subject } from "./server.ts";
