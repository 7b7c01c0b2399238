/** What a URL path asks for. */
export interface RequestInfo {
  readonly path: string;
  readonly query: URLSearchParams;
  /** Set for requests under /api and /apis that name a resource. */
  readonly resource?: {
    readonly group: string;
    readonly version: string;
    readonly plural: string;
    readonly namespace: string;
    readonly name: string;
    readonly subresource: string;
  };
}

const namespaceSubresources = new Set(["status", "finalize"]);

/** Splits a request URL as k8s.io/apiserver's RequestInfoFactory does. */
export function parseRequest(url: string): RequestInfo {
  const mark = url.indexOf("?");
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
  const parts = path
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
  let rest: string[];
  let group: string;
  let version: string;
  if (parts[0] === "api" && parts.length > 2) {
    [group, version, rest] = ["", parts[1]!, parts.slice(2)];
  } else if (parts[0] === "apis" && parts.length > 3) {
    [group, version, rest] = [parts[1]!, parts[2]!, parts.slice(3)];
  } else return { path, query };
  // The old form /api/v1/watch/...
  if (rest[0] === "watch" && rest.length > 1) {
    query.set("watch", "true");
    rest = rest.slice(1);
  }
  let namespace = "";
  if (rest[0] === "namespaces" && rest.length > 2 && !namespaceSubresources.has(rest[2]!)) {
    namespace = rest[1]!;
    rest = rest.slice(2);
  }
  const [plural = "", name = "", ...more] = rest;
  return {
    path,
    query,
    resource: { group, version, plural, namespace, name, subresource: more.join("/") },
  };
}

/** The RBAC verb of a request on a resource. */
export function verbOf(method: string, info: RequestInfo): string {
  const named = info.resource?.name !== undefined && info.resource.name !== "";
  switch (method) {
    case "GET":
    case "HEAD": {
      const watching = ["true", "1"].includes(info.query.get("watch") ?? "");
      return named ? "get" : watching ? "watch" : "list";
    }
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return named ? "delete" : "deletecollection";
    default:
      return method.toLowerCase();
  }
}
