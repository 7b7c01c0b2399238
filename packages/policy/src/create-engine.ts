import type { Clock } from "./clock.ts";
import type { Dataplane } from "./dataplane.ts";
import type { LocalEndpoint } from "./endpoint.ts";
import { checkEndpoint } from "./endpoint-check.ts";
import type { EngineHealth, ObjectRef, PolicyEngine, PolicyKind, PolicyObject } from "./engine.ts";
import { PolicyError } from "./error.ts";
import type { Explanation, Packet } from "./packet.ts";
import { Programmer } from "./programmer.ts";
import { Readiness } from "./readiness.ts";
import { renderBase } from "./render/base.ts";
import { removeEndpoint, renderEndpoint } from "./render/endpoint.ts";
import { RulesetEditor } from "./ruleset/editor.ts";
import { accept } from "./ruleset/statement.ts";
import { defaultSettings, type PolicySettings } from "./settings.ts";

export interface PolicyEngineOptions {
  readonly dataplane: Dataplane;
  readonly nodeName: string;
  readonly settings?: Partial<PolicySettings>;
  readonly clock?: Clock;
  /** How often to look for foreign changes to our tables, in milliseconds (default 250). */
  readonly watchInterval?: number;
}

export function createPolicyEngine(options: PolicyEngineOptions): PolicyEngine {
  return new Engine(options);
}

class Engine implements PolicyEngine {
  readonly #settings: PolicySettings;
  readonly #editor = new RulesetEditor();
  readonly #programmer: Programmer;
  readonly #readiness = new Readiness();
  readonly #endpoints = new Map<string, LocalEndpoint>();
  readonly #programmed = new Map<string, LocalEndpoint>();
  readonly #dirty = new Set<string>();
  #started = false;
  #synced = false;

  constructor({ dataplane, settings, clock, watchInterval = 250 }: PolicyEngineOptions) {
    this.#settings = { ...defaultSettings, ...settings };
    this.#programmer = new Programmer({
      dataplane,
      editor: this.#editor,
      prepare: () => this.#prepare(),
      committed: () => this.#readiness.acknowledge(),
      clock,
      watchInterval,
    });
  }

  readonly objects = {
    upsert: (_kind: PolicyKind, _object: PolicyObject): void => {},
    remove: (_kind: PolicyKind, _ref: ObjectRef): void => {},
  };

  readonly endpoints = {
    upsert: (endpoint: LocalEndpoint): void => {
      checkEndpoint(endpoint, this.#settings);
      this.#endpoints.set(endpoint.id, endpoint);
      this.#touch(endpoint.id);
    },
    remove: (id: string): void => {
      if (!this.#endpoints.delete(id)) return;
      this.#readiness.forget(id);
      this.#touch(id);
    },
  };

  async start({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (signal?.aborted) throw new PolicyError("Aborted", "Start was cancelled; nothing was changed.");
    renderBase(this.#editor, this.#settings);
    this.#programmer.start();
    this.#started = true;
  }

  synced(): void {
    if (!this.#started) throw new RangeError("start the engine before saying that it knows everything");
    if (this.#synced) return;
    this.#synced = true;
    this.#programmer.complete();
  }

  ready(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#readiness.wait(id, signal);
  }

  explain(_packet: Packet, endpointId: string): Explanation {
    const endpoint = this.#endpoints.get(endpointId);
    if (endpoint === undefined) {
      throw new PolicyError(
        "UnknownEndpoint",
        `No endpoint ${endpointId} on this node; see health() for what there is.`,
      );
    }
    return { verdict: "allow", path: [{ at: "default", action: "Allow", note: "no policy applies" }] };
  }

  health(): EngineHealth {
    const { failure, transactions, repairs } = this.#programmer;
    return {
      ready: this.#started && failure === undefined,
      endpoints: this.#endpoints.size,
      policies: 0,
      sets: this.#editor.ruleset.main.sets.size,
      transactions,
      repairs,
      problems:
        failure === undefined ? [] : [{ kind: "Dataplane", ref: failure.code, message: failure.message }],
    };
  }

  async close(): Promise<void> {
    this.#programmer.close();
    this.#readiness.close();
  }

  #touch(id: string): void {
    this.#dirty.add(id);
    if (this.#endpoints.has(id)) this.#readiness.expect(id);
    if (this.#synced) this.#programmer.schedule();
  }

  /** Until everything is known, what an earlier run programmed stays as it is. */
  #prepare(): void {
    if (!this.#synced) return;
    for (const id of this.#dirty) {
      const before = this.#programmed.get(id);
      const now = this.#endpoints.get(id);
      if (before !== undefined && before.interfaceName !== now?.interfaceName) {
        removeEndpoint(this.#editor, before, this.#settings);
        this.#programmed.delete(id);
      }
      if (now === undefined) continue;
      const previous = this.#programmed.get(id);
      renderEndpoint(
        this.#editor,
        now,
        { egress: [[accept]], ingress: [[accept]] },
        this.#settings,
        previous,
      );
      this.#programmed.set(id, now);
    }
    this.#dirty.clear();
    this.#readiness.stage();
  }
}
