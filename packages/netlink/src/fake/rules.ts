import { isDeepStrictEqual } from "node:util";
import type { Family } from "../ip.ts";
import type { Rule, RuleSpec, Rules } from "../rule.ts";
import { type FakeState, failure } from "./state.ts";

/** `Rules` in memory; the kernel's own three (local, main, default) are there at first. */
export class FakeRules implements Rules {
  readonly #state: FakeState;

  constructor(state: FakeState) {
    this.#state = state;
    for (const family of [4, 6] as const) {
      for (const [priority, table] of family === 4 ? builtIn : builtIn.slice(0, 2)) {
        state.rules.push(complete({ family, priority, table, protocol: 2 }));
      }
    }
  }

  list({ family }: { readonly family?: Family } = {}): Rule[] {
    return this.#state.rules
      .filter((rule) => family === undefined || rule.family === family)
      .sort((a, b) => a.family - b.family || a.priority - b.priority);
  }

  add(spec: RuleSpec): void {
    if (this.#find(spec) !== undefined)
      throw failure("AlreadyExists", "EEXIST", "add rule", `priority ${spec.priority}`);
    this.#state.rules.push(complete(spec));
  }

  delete(spec: RuleSpec): void {
    const rule = this.#find(spec);
    if (rule === undefined) throw failure("NotFound", "ENOENT", "delete rule", `priority ${spec.priority}`);
    this.#state.rules = this.#state.rules.filter((one) => one !== rule);
  }

  #find(spec: RuleSpec): Rule | undefined {
    const wanted = complete(spec);
    return this.#state.rules.find((rule) => isDeepStrictEqual(rule, wanted));
  }
}

const builtIn = [
  [0, 255],
  [32766, 254],
  [32767, 253],
] as const;

const complete = (spec: RuleSpec): Rule => ({
  family: spec.family,
  priority: spec.priority,
  action: spec.action ?? "table",
  table: spec.table ?? (spec.action === undefined || spec.action === "table" ? 254 : 0),
  invert: spec.invert ?? false,
  from: spec.from,
  to: spec.to,
  mark: spec.mark,
  mask: spec.mask ?? (spec.mark === undefined ? undefined : 0xffffffff),
  inputInterface: spec.inputInterface,
  outputInterface: spec.outputInterface,
  protocol: spec.protocol ?? 0,
});
