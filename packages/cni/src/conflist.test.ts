import { describe, expect, it } from "vitest";
import { parseConfig } from "./config.ts";
import { pluginTypes, renderConflist, updateConflist } from "./conflist.ts";

const fresh = renderConflist({ policySetupTimeoutSeconds: 10, hasPortmap: false });

describe("the network configuration we write", () => {
  it("is one we accept, and leaves the families to the pools", () => {
    const { name, cniVersion, plugins } = JSON.parse(fresh);
    const { ipam, ...parsed } = parseConfig(JSON.stringify({ ...plugins[0], name, cniVersion }));
    expect(parsed).toMatchObject({ policy_setup_timeout_seconds: 10 });
    expect([ipam.assign_ipv4, ipam.assign_ipv6]).toEqual([undefined, undefined]);
  });

  it("has portmap only where it is installed", () => {
    const installed = renderConflist({ policySetupTimeoutSeconds: 0, hasPortmap: true });
    expect([fresh, installed].map(pluginTypes)).toEqual([["calico"], ["calico", "portmap"]]);
  });
});

describe("one that we wrote", () => {
  const rendered = [0, 7].flatMap((policySetupTimeoutSeconds) =>
    [true, false].map((hasPortmap) => ({ policySetupTimeoutSeconds, hasPortmap })),
  );
  /** As releases wrote it that fixed both families. */
  const older = (text: string) => {
    const list = JSON.parse(text);
    Object.assign(list.plugins[0].ipam, { assign_ipv4: "true", assign_ipv6: "true" });
    return JSON.stringify(list);
  };

  it.each(rendered.flatMap((was) => rendered.map((is) => [was, is] as const)))(
    "as %j becomes what we would write for %j",
    (was, is) => {
      for (const present of [renderConflist(was), older(renderConflist(was))])
        expect(updateConflist(present, is) ?? present).toBe(renderConflist(is));
    },
  );

  it("keeps its timeout when the cluster says none", () => {
    const present = older(renderConflist({ policySetupTimeoutSeconds: 3, hasPortmap: false }));
    expect(updateConflist(present, { hasPortmap: true })).toBe(
      renderConflist({ policySetupTimeoutSeconds: 3, hasPortmap: true }),
    );
  });

  it("and somebody edited is theirs", () => {
    for (const edit of [
      { ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "false" } },
      { ipam: { type: "calico-ipam", assign_ipv4: "true" } },
      { mtu: 9000 },
    ]) {
      const list = JSON.parse(fresh);
      Object.assign(list.plugins[0], edit);
      const text = JSON.stringify(list);
      expect(updateConflist(text, { policySetupTimeoutSeconds: 10, hasPortmap: true })).toBeUndefined();
    }
  });
});

describe("an existing one", () => {
  it("gets the cluster's timeout and keeps the rest", () => {
    const mine = JSON.stringify({ name: "x", plugins: [{ type: "calico", mtu: 9000 }, { type: "tuning" }] });
    const updated = updateConflist(mine, { policySetupTimeoutSeconds: 7, hasPortmap: true });
    expect(JSON.parse(updated ?? "")).toEqual({
      name: "x",
      plugins: [{ type: "calico", mtu: 9000, policy_setup_timeout_seconds: 7 }, { type: "tuning" }],
    });
  });

  it.each([fresh, "{", "[]", "null", "7", '{"plugins":[{"type":"flannel"}]}', '{"plugins":[null]}'])(
    "is left alone when it is right or not ours: %j",
    (text) =>
      expect(updateConflist(text, { policySetupTimeoutSeconds: 10, hasPortmap: false })).toBeUndefined(),
  );
});
