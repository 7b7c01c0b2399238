import type { IncomingMessage, ServerResponse } from "node:http";
import type { Discovery } from "../discovery/discovery.ts";
import type { JsonObject } from "../json.ts";
import { negotiate } from "./negotiate.ts";
import { sendText } from "./reply.ts";
import type { RequestInfo } from "./request.ts";

/** The Kubernetes version whose behaviour the server follows. */
export const serverVersion = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.0+fairlead",
  gitCommit: "0000000000000000000000000000000000000000",
  gitTreeState: "clean",
  buildDate: "2024-12-11T00:00:00Z",
  goVersion: "none",
  compiler: "none",
  platform: "linux/amd64",
};

/** Health, version, discovery and OpenAPI. */
export class NonResource {
  readonly #discovery: Discovery;

  constructor(discovery: Discovery) {
    this.#discovery = discovery;
  }

  /** False: there is nothing at this path. */
  answer(request: IncomingMessage, response: ServerResponse, info: RequestInfo): boolean {
    const path = info.path.length > 1 ? info.path.replace(/\/$/, "") : info.path;
    if (path === "/healthz" || path === "/livez" || path === "/readyz") {
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
      response.end("ok");
      return true;
    }
    const document = this.#document(path, request);
    if (!document) return false;
    sendText(response, 200, JSON.stringify(document), negotiate(request.headers.accept, []));
    return true;
  }

  #document(path: string, request: IncomingMessage): JsonObject | undefined {
    if (path === "/version") return serverVersion;
    if (path === "/api") return this.#discovery.legacyVersions(request.headers.host ?? "");
    if (path === "/apis") return this.#discovery.groups();
    if (path === "/")
      return {
        paths: ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"],
      };
    const [, root, group, version, ...more] = path.split("/");
    if (more.length > 0) return undefined;
    if (root === "api" && group !== undefined && version === undefined)
      return this.#discovery.resources("", group);
    if (root !== "apis" || group === undefined) return undefined;
    return version === undefined ? this.#discovery.group(group) : this.#discovery.resources(group, version);
  }
}
