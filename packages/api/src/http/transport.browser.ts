import { ApiError } from "../error.ts";
import type { Transport } from "./transport.ts";

/** A browser holds no kubeconfig: schemas, selectors and types work there, connections do not. */
export function openTransport(): Promise<Transport> {
  return Promise.reject(new ApiError("Unavailable", "a browser cannot connect to the API server by itself"));
}
