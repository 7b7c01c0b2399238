import type { ObjectRef } from "@fairlead/api";

/** `name` in the default namespace, or `namespace/name`. */
export function parseVmName(text: string): ObjectRef & { readonly namespace: string } {
  const [first = "", second] = text.split("/");
  return second === undefined ? { namespace: "default", name: first } : { namespace: first, name: second };
}
