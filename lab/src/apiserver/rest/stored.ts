import { notFound } from "../status.ts";
import type { Stored } from "../storage/change.ts";
import { type Api, type Call, keyOf } from "./api.ts";

/** The stored object this call is about. */
export function requireStored(api: Api, call: Call): Stored {
  const stored = api.objects(call.resource).get(keyOf(call.namespace, call.name));
  if (!stored) throw notFound(call.resource, call.name);
  return stored;
}
