import type { Calculator } from "../calc/calculator.ts";
import { setsOf } from "../calc/policies.ts";
import type { Direction, PolicyModel } from "../model/policy.ts";
import type { RulesetEditor } from "../ruleset/editor.ts";
import type { Element, NftSet, Rule } from "../ruleset/ruleset.ts";
import { accept } from "../ruleset/statement.ts";
import type { PolicySettings } from "../settings.ts";
import { renderBase } from "./base.ts";
import { removeEndpoint, renderEndpoint, type WrittenEndpoint } from "./endpoint.ts";
import { renderHosts } from "./host.ts";
import { KernelSets } from "./kernel-sets.ts";
import { fromEndpoint, regularChain, toEndpoint } from "./names.ts";
import { renderNat, renderPools } from "./nat.ts";
import { renderReply } from "./reply.ts";
import type { RuleSets } from "./rule.ts";
import { policyChain, renderPolicy, renderTiers } from "./tier.ts";

const directions: readonly Direction[] = ["ingress", "egress"];

interface ConstantSet {
  readonly set: NftSet;
  readonly users: Set<string>;
}

/** Writes into the editor what the calculator says has changed. */
export class PolicyProgram {
  readonly #editor: RulesetEditor;
  readonly #calculator: Calculator;
  #settings: PolicySettings;
  #reconfigured = false;
  #hostChains: readonly string[] = [];
  readonly #kernelSets: KernelSets;
  readonly #endpoints = new Map<string, WrittenEndpoint>();
  readonly #arriving = new Set<string>();
  /** Tier and answer chains of each endpoint. */
  readonly #tierChains = new Map<string, readonly string[]>();
  readonly #constants = new Map<string, ConstantSet>();
  /** Constant sets of each chain. */
  readonly #constantsOf = new Map<string, Set<string>>();
  /** Policies in the kernel, as they were written. */
  readonly #policies = new Map<string, PolicyModel>();
  /** Policies that use a member set. */
  readonly #users = new Map<string, Set<string>>();

  constructor(editor: RulesetEditor, calculator: Calculator, settings: PolicySettings) {
    this.#editor = editor;
    this.#calculator = calculator;
    this.#settings = settings;
    this.#kernelSets = new KernelSets(editor);
  }

  base(): void {
    renderBase(this.#editor, this.#settings);
    renderNat(this.#editor, this.#settings);
  }

  /** Other settings from now on; everything is written anew with the next update. */
  configure(settings: PolicySettings): void {
    if (settings === this.#settings) return;
    this.#settings = settings;
    this.#reconfigured = true;
  }

  /** Everything that changed since the last call. */
  update(): void {
    const { endpoints, policies, hosts } = this.#calculator.settle();
    const all = this.#reconfigured;
    this.#reconfigured = false;
    if (all) this.base();
    const dropped = this.#calculator.sets.takeDropped();
    const dirty = new Set(all ? [...this.#policies.keys(), ...policies] : policies);
    for (const change of this.#calculator.sets.takeChanges()) {
      const reshaped = this.#kernelSets.update(change, this.#calculator.sets);
      if (reshaped) for (const user of this.#users.get(change.set.key) ?? []) dirty.add(user);
    }
    if (this.#calculator.pools.takeChanged() || all) this.#writePools();
    for (const key of dirty) this.#writePolicy(key);
    const touched = new Set(all ? [...this.#endpoints.keys(), ...endpoints] : endpoints);
    // Endpoints that have just arrived carry copies of their policies' rules, and then so do host endpoints.
    const arrived = this.#arriving.size > 0;
    if (dirty.size > 0) for (const id of this.#arriving) touched.add(id);
    for (const id of touched) this.#writeEndpoint(id);
    const arriving = this.#arriving.size > 0;
    if (hosts || all || arriving !== arrived || (arriving && dirty.size > 0)) this.#writeHosts(arriving);
    for (const set of dropped) this.#kernelSets.drop(set);
    for (const { set, users } of this.#constants.values())
      if (users.size === 0) this.#forgetConstant(set.name);
  }

  #writePools(): void {
    const { natOutgoingExclusions } = this.#settings;
    const hosts = natOutgoingExclusions === "IPPoolsAndHostIPs" ? this.#calculator.pools.nodeAddresses : [];
    renderPools(this.#editor, this.#calculator.pools.pools, hosts);
  }

  #writeHosts(arriving: boolean): void {
    const used = new Map<string, Set<string>>();
    const chains = renderHosts({
      calculator: this.#calculator,
      settings: this.#settings,
      arrivals: arriving ? this.#setsByChain(used) : undefined,
    });
    for (const chain of chains) {
      this.#editor.putChain("main", chain);
      this.#useConstants(chain.name, used.get(chain.name) ?? new Set());
    }
    const names = chains.map(({ name }) => name);
    for (const name of this.#hostChains) {
      if (names.includes(name)) continue;
      this.#editor.dropChain("main", name);
      this.#useConstants(name, new Set());
    }
    this.#hostChains = names;
  }

  #writePolicy(key: string): void {
    const model = this.#calculator.activePolicy(key);
    const previous = this.#policies.get(key);
    if (model === undefined && previous === undefined) return;
    for (const set of previous === undefined ? [] : setsOf(previous)) this.#users.get(set.key)?.delete(key);
    this.#policies.delete(key);
    const enforced = model !== undefined && !model.staged ? model : undefined;
    if (enforced !== undefined) {
      this.#policies.set(key, enforced);
      for (const set of setsOf(enforced)) {
        const users = this.#users.get(set.key) ?? new Set();
        this.#users.set(set.key, users.add(key));
      }
    }
    for (const direction of directions) {
      const name = policyChain(key, direction);
      if (enforced?.directions.has(direction)) {
        this.#writeChain(name, (sets) =>
          renderPolicy(enforced, direction, sets, { settings: this.#settings }),
        );
      } else if (this.#editor.ruleset.main.chains.has(name)) {
        this.#editor.dropChain("main", name);
        this.#useConstants(name, new Set());
      }
    }
  }

  #writeChain(name: string, render: (sets: RuleSets) => ReturnType<typeof renderPolicy>): void {
    const used = new Set<string>();
    this.#editor.putChain("main", render(this.#ruleSets(used)));
    this.#useConstants(name, used);
  }

  #ruleSets(used: Set<string>): RuleSets {
    return {
      constant: (set, elements) => {
        used.add(set.name);
        this.#addConstant(set, elements);
      },
      hasNets: (set) => this.#kernelSets.hasNets(set),
    };
  }

  /** As `#ruleSets`, for chains whose names are not known yet. */
  #setsByChain(used: Map<string, Set<string>>): (chain: string) => RuleSets {
    return (chain) => this.#ruleSets(used.get(chain) ?? put(used, chain, new Set()));
  }

  #addConstant(set: NftSet, elements: readonly Element[]): void {
    if (this.#constants.has(set.name)) return;
    this.#constants.set(set.name, { set, users: new Set() });
    this.#editor.putSet("main", set);
    this.#editor.putElements("main", set.name, elements);
  }

  #useConstants(chain: string, used: Set<string>): void {
    for (const name of this.#constantsOf.get(chain) ?? []) {
      if (!used.has(name)) this.#constants.get(name)?.users.delete(chain);
    }
    for (const name of used) this.#constants.get(name)?.users.add(chain);
    if (used.size > 0) this.#constantsOf.set(chain, used);
    else this.#constantsOf.delete(chain);
  }

  #forgetConstant(name: string): void {
    this.#constants.delete(name);
    this.#editor.dropSet("main", name);
  }

  #writeEndpoint(id: string): void {
    const before = this.#endpoints.get(id);
    const now = this.#calculator.endpoint(id);
    const chains: string[] = [];
    if (before !== undefined && before.endpoint.interfaceName !== now?.interfaceName) {
      removeEndpoint(this.#editor, before);
      this.#endpoints.delete(id);
    }
    if (now === undefined) this.#arriving.delete(id);
    else {
      const rules = {
        egress: this.#tiers(id, fromEndpoint(now.interfaceName), "egress", chains),
        ingress: this.#tiers(id, toEndpoint(now.interfaceName), "ingress", chains),
      };
      if (now.state === "arriving") {
        this.#arriving.add(id);
        this.#replies(id, fromEndpoint(now.interfaceName), "ingress", chains);
        this.#replies(id, toEndpoint(now.interfaceName), "egress", chains);
      } else this.#arriving.delete(id);
      renderEndpoint(this.#editor, now, rules, this.#settings, this.#endpoints.get(id));
      this.#endpoints.set(id, { endpoint: now, settings: this.#settings });
    }
    for (const name of this.#tierChains.get(id) ?? []) {
      if (chains.includes(name)) continue;
      this.#editor.dropChain("main", name);
      this.#useConstants(name, new Set());
    }
    if (chains.length > 0) this.#tierChains.set(id, chains);
    else this.#tierChains.delete(id);
  }

  #replies(id: string, chain: string, direction: Direction, own: string[]): void {
    const used = new Map<string, Set<string>>();
    const tiers = this.#calculator.tiersOf(id, direction);
    const sets = this.#setsByChain(used);
    for (const each of renderReply(chain, tiers, direction, sets, this.#settings, regularChain(chain))) {
      this.#editor.putChain("main", each);
      this.#useConstants(each.name, used.get(each.name) ?? new Set());
      own.push(each.name);
    }
  }

  /** After all tiers have passed, or none applied, the namespace's profile allows. */
  #tiers(id: string, chain: string, direction: Direction, own: string[]): Rule[] {
    const tiers = this.#calculator.tiersOf(id, direction);
    const { rules, chains } = renderTiers(chain, tiers, direction, this.#settings);
    for (const each of chains) {
      this.#editor.putChain("main", each);
      own.push(each.name);
    }
    return [...rules, [accept]];
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V): V {
  map.set(key, value);
  return value;
}
