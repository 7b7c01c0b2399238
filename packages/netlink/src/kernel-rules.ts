import type { Family } from "./ip.ts";
import { type NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL } from "./netlink-socket.ts";
import type { Rule, RuleSpec, Rules } from "./rule.ts";
import {
  decodeRule,
  encodeRule,
  encodeRuleFilter,
  RTM_DELRULE,
  RTM_GETRULE,
  RTM_NEWRULE,
} from "./rule-codec.ts";

/** `Rules` of the kernel. */
export class KernelRules implements Rules {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  list(filter: { readonly family?: Family } = {}): Rule[] {
    const families: readonly Family[] = filter.family === undefined ? [4, 6] : [filter.family];
    return families.flatMap((family) =>
      this.#socket.dump(
        RTM_GETRULE,
        (writer) => encodeRuleFilter(writer, family),
        ({ payload }) => decodeRule(payload),
        () => ({ operation: "list rules" }),
      ),
    );
  }

  add(rule: RuleSpec): void {
    this.#request("add rule", RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
  }

  delete(rule: RuleSpec): void {
    this.#request("delete rule", RTM_DELRULE, 0, rule);
  }

  #request(operation: string, type: number, flags: number, rule: RuleSpec): void {
    this.#socket.request(
      type,
      flags,
      (writer) => encodeRule(writer, rule),
      () => ({ operation, object: `priority ${rule.priority}` }),
    );
  }
}
