import { isIpamError } from "@fairlead/ipam";
import { createFakeIpam } from "@fairlead/ipam/fake";
import { describe, expect, it } from "vitest";
import { pod } from "./calls.fixture.ts";
import { asAddressError, asCniError, CniError } from "./error.ts";
import { createFakeNode } from "./fake-node.fixture.ts";

/** What a pod's event says of a CNI error: libcni's `types.Error` printed, as containerd and CRI-O pass it on. */
const asLibcniPrints = ({ msg, details }: { msg: string; details?: string }) =>
  `plugin type="calico" failed (add): ${details ? `${msg}; ${details}` : msg}`;

describe("a pod's event", () => {
  it("has the code, the number, what happened and the remedy, each once", async () => {
    const { run } = createFakeNode(
      pod("web", { podAnnotations: { "cni.projectcalico.org/ipv4pools": '["no-such-pool"]' } }),
    );
    const { body } = await run("ADD", { pod: "web", id: "c1" });
    expect(asLibcniPrints(body)).toMatchInlineSnapshot(
      `"plugin type="calico" failed (add): AddressRefused (102): IPPool no-such-pool pools[4]: the given pool (no-such-pool) does not exist, or is not enabled (PoolNotFound); Name an existing, enabled IPPool of this address family (by name or CIDR)."`,
    );
  });

  it("of an address that is refused says once what the address manager says", async () => {
    const { ipam } = createFakeIpam({ pools: [] });
    const failure: unknown = await ipam.workloads
      .assign({
        network: "net1",
        containerId: "c1",
        node: "node-1",
        pod: { namespace: "default", name: "web", uid: "u1", creationTimestamp: "2026-01-01T00:00:00Z" },
        families: [4],
      })
      .catch((error: unknown) => error);
    expect(isIpamError(failure, "NoPools")).toBe(true);
    const { remedy } = failure as { remedy: string };
    const printed = asLibcniPrints(asAddressError(failure).toResult("1.1.0"));
    expect(printed.split(remedy)).toHaveLength(2);
    expect(printed.match(/NoPools/g)).toHaveLength(1);
    expect(printed).toContain("AddressRefused (102): ");
  });

  it("names the cause that the message does not name, and no other", () => {
    const failing = (message: string, cause: Error) =>
      asLibcniPrints(
        new CniError("TryAgainLater", message, "is the API server there?", { cause }).toResult("1.1.0"),
      );
    const refused = new Error("ECONNREFUSED");
    expect(failing("cannot read the pod", refused)).toBe(
      'plugin type="calico" failed (add): TryAgainLater (11): cannot read the pod; is the API server there? (ECONNREFUSED)',
    );
    expect(failing("cannot read the pod: ECONNREFUSED", refused)).toBe(
      'plugin type="calico" failed (add): TryAgainLater (11): cannot read the pod: ECONNREFUSED; is the API server there?',
    );
  });

  it("of our own mistake says so", () => {
    expect(asLibcniPrints(asCniError(new RangeError("x is no y")).toResult("1.1.0"))).toBe(
      'plugin type="calico" failed (add): Internal (999): x is no y; this is a bug: the agent\'s log has the stack',
    );
  });
});
