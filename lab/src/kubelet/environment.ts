import type { Container, Pod } from "@fairlead/api";

interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
}

/** The environment of a container: its `env`, with the downward API's fields and `$(NAME)` references resolved. */
export function environmentOf(
  pod: Pod,
  container: Container,
  addresses: readonly string[],
  hostIPs: readonly string[],
) {
  const resolved: Record<string, string> = {};
  for (const { name, value, valueFrom } of (container.env ?? []) as EnvVar[]) {
    const path = valueFrom?.fieldRef?.fieldPath;
    resolved[name] =
      path === undefined ? expand(value ?? "", resolved) : fieldOf(pod, path, addresses, hostIPs);
  }
  return resolved;
}

/** `command` and `args` with references resolved. Images are not looked at: the node's own programs run. */
export function commandOf(container: Container, environment: Readonly<Record<string, string>>): string[] {
  return [...(container.command ?? []), ...(container.args ?? [])].map((word) => expand(word, environment));
}

/** `$(NAME)` becomes the variable's value if there is one, `$$(NAME)` becomes `$(NAME)`. */
export function expand(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([A-Za-z_.-][\w.-]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? "$" : Object.hasOwn(environment, name) ? environment[name]! : whole,
  );
}

function fieldOf(pod: Pod, path: string, addresses: readonly string[], hostIPs: readonly string[]): string {
  const { metadata, spec } = pod;
  const map = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (map !== null) return metadata[map[1] as "labels" | "annotations"]?.[map[2]!] ?? "";
  const fields: Readonly<Record<string, string | undefined>> = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace,
    "metadata.uid": metadata.uid,
    "spec.nodeName": spec.nodeName,
    "spec.serviceAccountName": spec.serviceAccountName ?? "default",
    "status.podIP": addresses[0],
    "status.podIPs": addresses.join(","),
    "status.hostIP": hostIPs[0],
    "status.hostIPs": hostIPs.join(","),
  };
  return fields[path] ?? "";
}
