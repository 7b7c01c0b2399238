import type { RequestInfo } from "./request.ts";

/** What `apiserver_request_total` tells apart here; kube-apiserver has a few labels more. */
type Counted = Pick<NonNullable<RequestInfo["resource"]>, "group" | "version" | "plural" | "subresource"> & {
  readonly verb: string;
};

/** How many requests for resources came in, as kube-apiserver counts them at `/metrics`. */
export class RequestCounts {
  readonly #counts = new Map<string, number>();

  add({ group, version, plural, subresource, verb }: Counted): void {
    const labels = { group, resource: plural, subresource, verb: verb.toUpperCase(), version };
    const text = Object.entries(labels)
      .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
      .join(",");
    this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1);
  }

  /** Prometheus' text format. */
  toString(): string {
    const lines = [...this.#counts]
      .sort()
      .map(([labels, count]) => `apiserver_request_total{${labels}} ${count}`);
    return `# TYPE apiserver_request_total counter\n${lines.join("\n")}\n`;
  }
}
