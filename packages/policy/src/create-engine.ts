import { Calculator } from "./calc/calculator.ts";
import { explain } from "./calc/explain.ts";
import { explainHost } from "./calc/explain-host.ts";
import type { Clock } from "./clock.ts";
import type { Dataplane } from "./dataplane.ts";
import type { LocalEndpoint } from "./endpoint.ts";
import { checkEndpoint } from "./endpoint-check.ts";
import type { EngineHealth, ObjectRef, PolicyEngine, PolicyKind, PolicyObject, Problem } from "./engine.ts";
import { PolicyError } from "./error.ts";
import { FelixSettings } from "./felix-settings.ts";
import { HostEndpoints } from "./host/host-endpoints.ts";
import { ObjectReader } from "./objects.ts";
import type { Explanation, Packet } from "./packet.ts";
import { Programmer } from "./programmer.ts";
import { Readiness } from "./readiness.ts";
import { PolicyProgram } from "./render/program.ts";
import { RulesetEditor } from "./ruleset/editor.ts";
import { defaultSettings, type PolicySettings } from "./settings.ts";

/** What an engine works with. */
export interface PolicyEngineOptions {
  readonly dataplane: Dataplane;
  readonly nodeName: string;
  readonly settings?: Partial<PolicySettings>;
  readonly clock?: Clock;
  /** How often to look for foreign changes to our tables, in milliseconds (default 250). */
  readonly watchInterval?: number;
}

/** Makes an engine. Nothing is programmed before `start`. */
export function createPolicyEngine(options: PolicyEngineOptions): PolicyEngine {
  return new Engine(options);
}

/** Stands among the endpoints' ids for all that was said; no endpoint has an empty id. */
const everything = "";

class Engine implements PolicyEngine {
  readonly #felix: FelixSettings;
  readonly #editor = new RulesetEditor();
  readonly #calculator = new Calculator();
  readonly #reader: ObjectReader;
  readonly #program: PolicyProgram;
  readonly #programmer: Programmer;
  readonly #readiness = new Readiness();
  readonly #endpoints = new Map<string, LocalEndpoint>();
  #kept: readonly string[] = [];
  #started = false;
  #synced = false;

  constructor({ dataplane, nodeName, settings, clock, watchInterval = 250 }: PolicyEngineOptions) {
    const calculator = this.#calculator;
    this.#felix = new FelixSettings(nodeName, { ...defaultSettings, ...settings });
    const hosts = new HostEndpoints(calculator, nodeName);
    this.#reader = new ObjectReader({ calculator, hosts, felix: this.#felix });
    this.#program = new PolicyProgram(this.#editor, calculator, this.#felix.current);
    this.#programmer = new Programmer({
      dataplane,
      editor: this.#editor,
      prepare: () => this.#prepare(),
      committed: () => this.#readiness.acknowledge(),
      clock,
      watchInterval,
      refreshInterval: () => this.#felix.current.refreshInterval,
    });
  }

  readonly objects = {
    upsert: (kind: PolicyKind, object: PolicyObject): void => {
      this.#reader.upsert(kind, object);
      this.#schedule();
    },
    remove: (kind: PolicyKind, ref: ObjectRef): void => {
      this.#reader.remove(kind, ref);
      this.#schedule();
    },
  };

  readonly endpoints = {
    upsert: (endpoint: LocalEndpoint): void => {
      checkEndpoint(endpoint, this.#felix.current);
      this.#replaceInterface(endpoint);
      this.#endpoints.set(endpoint.id, endpoint);
      this.#calculator.upsertEndpoint(endpoint);
      this.#readiness.expect(endpoint.id);
      this.#schedule();
    },
    remove: (id: string): void => {
      if (!this.#endpoints.delete(id)) return;
      this.#calculator.removeEndpoint(id);
      this.#readiness.forget(id);
      this.#schedule();
    },
  };

  async start({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (signal?.aborted) throw new PolicyError("Aborted", "Start was cancelled; nothing was changed.");
    this.#program.configure(this.#felix.current);
    this.#program.base();
    this.#programmer.start();
    this.#started = true;
  }

  keep(interfaceNames: readonly string[]): void {
    this.#kept = interfaceNames;
    if (this.#synced) this.#programmer.complete(interfaceNames);
  }

  synced(): void {
    if (!this.#started) throw new RangeError("start the engine before saying that it knows everything");
    if (this.#synced) return;
    this.#synced = true;
    this.#programmer.complete(this.#kept);
  }

  ready(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#readiness.wait(id, signal);
  }

  settled({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    this.#schedule();
    return this.#readiness.wait(everything, signal);
  }

  explain(packet: Packet, endpointId: string): Explanation {
    const host = this.#calculator.hosts.get(endpointId);
    if (host !== undefined) return explainHost(packet, host, this.#calculator, this.#felix.current);
    const endpoint = this.#endpoints.get(endpointId);
    if (endpoint === undefined) {
      throw new PolicyError(
        "UnknownEndpoint",
        `No endpoint ${endpointId} on this node; see health() for what there is.`,
      );
    }
    return explain(packet, endpoint, this.#calculator, this.#felix.current);
  }

  health(): EngineHealth {
    const { failure, transactions, repairs } = this.#programmer;
    const dataplane = failure && { kind: "Dataplane" as const, ref: failure.code, message: failure.message };
    const objects = [...this.#reader.problems].map(([ref, message]): Problem => {
      return {
        kind: ref.slice(0, ref.indexOf("/")) as PolicyKind,
        ref: ref.slice(ref.indexOf("/") + 1),
        message,
      };
    });
    return {
      ready: this.#started && failure === undefined,
      endpoints: this.#endpoints.size,
      policies: this.#calculator.policyCount,
      sets: this.#calculator.sets.size,
      transactions,
      repairs,
      problems: dataplane ? [dataplane, ...objects] : objects,
    };
  }

  async close(): Promise<void> {
    this.#programmer.close();
    this.#readiness.close();
  }

  #schedule(): void {
    this.#readiness.expect(everything);
    if (this.#synced) this.#programmer.schedule();
  }

  /** An interface belongs to the endpoint that was announced last. */
  #replaceInterface({ id, interfaceName }: LocalEndpoint): void {
    for (const other of this.#endpoints.values()) {
      if (other.interfaceName === interfaceName && other.id !== id) this.endpoints.remove(other.id);
    }
    if (this.#kept.includes(interfaceName)) this.keep(this.#kept.filter((kept) => kept !== interfaceName));
  }

  /** Until everything is known, what an earlier run programmed stays as it is. */
  #prepare(): void {
    if (!this.#synced) return;
    this.#program.configure(this.#felix.current);
    this.#program.update();
    this.#readiness.stage();
  }
}
