import type { Api } from "./api.ts";
import type { Reply } from "./reply.ts";
import type { ResourceRequest } from "./resources.ts";

/** Requests that are not plain reads and writes of objects: token, binding, eviction, scale, finalize, reviews. */
export class Subresources {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Undefined: not one of ours. */
  async handle(_request: ResourceRequest): Promise<Reply | undefined> {
    this.#api.now();
    return undefined;
  }
}
