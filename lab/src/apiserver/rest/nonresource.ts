import type { IncomingMessage, ServerResponse } from "node:http";
import { aggregatedDiscovery } from "../discovery/aggregated.ts";
import { Discovery } from "../discovery/discovery.ts";
import { type JsonObject, stringifyJson } from "../json.ts";
import type { Registry } from "../kinds/registry.ts";
import { OpenApi } from "../openapi/documents.ts";
import { negotiate } from "./negotiate.ts";
import { sendText } from "./reply.ts";
import type { RequestInfo } from "./request.ts";
import type { RequestCounts } from "./request-counts.ts";

/** The Kubernetes version whose behaviour the server follows. */
const serverVersion = {
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

const rootPaths = [
  "/api",
  "/apis",
  "/healthz",
  "/livez",
  "/metrics",
  "/openapi/v2",
  "/openapi/v3",
  "/readyz",
  "/version",
];
/** The first form is what clients ask for, the second is a media type that Go can parse. */
const swaggerProtobuf = [
  "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
  "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
] as const;

/** Health, version, discovery, OpenAPI and metrics. */
export class NonResource {
  readonly #registry: Registry;
  readonly #discovery: Discovery;
  readonly #openApi: OpenApi;
  readonly #counts: RequestCounts;

  constructor(registry: Registry, counts: RequestCounts) {
    this.#registry = registry;
    this.#counts = counts;
    this.#discovery = new Discovery(registry);
    this.#openApi = new OpenApi(registry);
  }

  /** False: there is nothing at this path. */
  answer(request: IncomingMessage, response: ServerResponse, info: RequestInfo): boolean {
    const path = info.path.length > 1 ? info.path.replace(/\/$/, "") : info.path;
    if (path === "/healthz" || path === "/livez" || path === "/readyz") {
      sendBytes(response, Buffer.from("ok"), "text/plain; charset=utf-8");
      return true;
    }
    if (path === "/metrics") {
      sendBytes(response, Buffer.from(String(this.#counts)), "text/plain; version=0.0.4; charset=utf-8");
      return true;
    }
    if (path === "/openapi/v2") {
      this.#answerSwagger(request, response);
      return true;
    }
    if (path.startsWith("/openapi/v3/")) {
      const bytes = this.#openApi.group(path.slice("/openapi/v3/".length));
      if (bytes) sendBytes(response, bytes, "application/json");
      return bytes !== undefined;
    }
    if (path === "/api" || path === "/apis") {
      const accepted = negotiate(request.headers.accept, ["APIGroupDiscoveryList"]);
      if (accepted.as === "APIGroupDiscoveryList") {
        const version = accepted.asVersion === "v2beta1" ? "v2beta1" : "v2";
        const document = aggregatedDiscovery(this.#registry, path === "/api", version);
        const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
        sendText(response, 200, stringifyJson(document), accepted, type);
        return true;
      }
    }
    const document = this.#document(path, request);
    if (!document) return false;
    sendText(response, 200, stringifyJson(document), negotiate(request.headers.accept, []));
    return true;
  }

  #answerSwagger(request: IncomingMessage, response: ServerResponse): void {
    const wanted = (request.headers.accept ?? "").split(",").map((range) => range.trim().split(";", 1)[0]);
    if (swaggerProtobuf.some((type) => type === wanted[0]))
      sendBytes(response, this.#openApi.swaggerProtobuf(), swaggerProtobuf[1]);
    else sendBytes(response, this.#openApi.swagger(), "application/json");
  }

  #document(path: string, request: IncomingMessage): JsonObject | undefined {
    if (path === "/") return { paths: rootPaths };
    if (path === "/version") return serverVersion;
    if (path === "/openapi/v3") return this.#openApi.index();
    if (path === "/api") return this.#discovery.legacyVersions(request.headers.host ?? "");
    if (path === "/apis") return this.#discovery.groups();
    const [, root, group, version, ...more] = path.split("/");
    if (more.length > 0) return undefined;
    if (root === "api" && group !== undefined && version === undefined)
      return this.#discovery.resources("", group);
    if (root !== "apis" || group === undefined) return undefined;
    return version === undefined ? this.#discovery.group(group) : this.#discovery.resources(group, version);
  }
}

function sendBytes(response: ServerResponse, bytes: Buffer, contentType: string): void {
  response.writeHead(200, { "content-type": contentType, "content-length": bytes.length });
  response.end(bytes);
}
