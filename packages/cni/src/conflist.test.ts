import { describe, expect, it } from "vitest";
import { parseConfig } from "./config.ts";
import { renderConflist, updateConflist } from "./conflist.ts";

const fresh = renderConflist({ policySetupTimeoutSeconds: 10, hasPortmap: false });

describe("the network configuration we write", () => {
  it("is one we accept, with both families", () => {
    const { name, cniVersion, plugins } = JSON.parse(fresh);
    const parsed = parseConfig(JSON.stringify({ ...plugins[0], name, cniVersion }));
    expect(parsed).toMatchObject({
      policy_setup_timeout_seconds: 10,
      ipam: { assign_ipv4: true, assign_ipv6: true },
    });
  });

  it("has portmap only where it is installed", () =>
    expect(
      JSON.parse(renderConflist({ policySetupTimeoutSeconds: 0, hasPortmap: true })).plugins,
    ).toHaveLength(2));
});

describe("an existing one", () => {
  it("gets the cluster's timeout and keeps the rest", () => {
    const mine = JSON.stringify({ name: "x", plugins: [{ type: "calico", mtu: 9000 }, { type: "tuning" }] });
    expect(JSON.parse(updateConflist(mine, 7) ?? "")).toEqual({
      name: "x",
      plugins: [{ type: "calico", mtu: 9000, policy_setup_timeout_seconds: 7 }, { type: "tuning" }],
    });
  });

  it.each([fresh, "{", "[]", "null", '{"plugins":[{"type":"flannel"}]}', '{"plugins":[null]}'])(
    "is left alone when it is right or not ours: %j",
    (text) => expect(updateConflist(text, 10)).toBeUndefined(),
  );
});
