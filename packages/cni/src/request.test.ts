import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { call } from "./calls.fixture.ts";
import { CniError } from "./error.ts";
import { parseRequest } from "./request.ts";

const codeOf = (work: () => unknown) => {
  try {
    work();
    return "accepted";
  } catch (error) {
    return error instanceof CniError ? error.code : error;
  }
};
const withEnv = (env: Record<string, string>, command = "ADD") =>
  codeOf(() => parseRequest(call(command, { env })));
const withConfig = (config: object, command = "ADD") => codeOf(() => parseRequest(call(command, { config })));

describe("a request", () => {
  it("is accepted as a runtime sends it", () => {
    expect(parseRequest(call("ADD"))).toMatchObject({
      plugin: "network",
      command: "ADD",
      pod: { namespace: "default", name: "web" },
      config: {
        cniVersion: "1.0.0",
        ipam: { assign_ipv4: true, assign_ipv6: true },
        mtu: 0,
        policy_setup_timeout_seconds: 0,
      },
    });
  });

  it.each([
    ["command", { CNI_COMMAND: "INSTALL" }],
    ["container ID with a path", { CNI_CONTAINERID: "../../etc" }],
    ["empty container ID", { CNI_CONTAINERID: "" }],
    ["empty netns on ADD", { CNI_NETNS: "" }],
    ["relative netns", { CNI_NETNS: "run/netns/x" }],
    ["interface with a slash", { CNI_IFNAME: "a/b" }],
    ["interface name of 16 bytes", { CNI_IFNAME: "0123456789abcdef" }],
    ["interface name ..", { CNI_IFNAME: ".." }],
    ["arguments without a pod", { CNI_ARGS: "IgnoreUnknown=1" }],
    ["arguments that are no pairs", { CNI_ARGS: "K8S_POD_NAME" }],
    ["pod name with a path", { CNI_ARGS: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=../x" }],
  ])("is refused for its %s", (_, env) => expect(withEnv(env)).toBe("InvalidEnvironment"));

  it("may lack the namespace on DEL", () => expect(withEnv({ CNI_NETNS: "" }, "DEL")).toBe("accepted"));

  it("with a missing version means 0.2.0", () =>
    expect(parseRequest(call("ADD", { config: { cniVersion: undefined } })).config.cniVersion).toBe("0.2.0"));

  it.each([
    ["IncompatibleVersion", { cniVersion: "2.0.0" }],
    ["IncompatibleVersion", { cniVersion: 1 }],
    ["InvalidConfiguration", { name: "a b" }],
    ["InvalidConfiguration", { name: undefined }],
    ["InvalidConfiguration", { policy_setup_timeout_seconds: -1 }],
    ["InvalidConfiguration", { mtu: "big" }],
    ["InvalidConfiguration", { ipam: { assign_ipv4: "perhaps" } }],
    ["InvalidConfiguration", { endpoint_status_dir: "relative" }],
    ["UnsupportedField", { ipam: { type: "host-local" } }],
  ] as const)("is refused with %s for %j", (code, config) => expect(withConfig(config)).toBe(code));

  it("names the startup delay it refuses", () =>
    expect(() => parseRequest(call("ADD", { config: { policy_setup_timeout_seconds: -3 } }))).toThrow(
      "invalid pod startup delay of -3",
    ));

  it("is refused when the configuration is not JSON", () =>
    expect(codeOf(() => parseRequest({ ...call("ADD"), config: "{" }))).toBe("DecodeFailure"));

  it.each([
    ["0.3.1", "CHECK", "IncompatibleVersion"],
    ["0.4.0", "CHECK", "accepted"],
    ["1.0.0", "GC", "IncompatibleVersion"],
    ["1.1.0", "GC", "accepted"],
    ["1.1.0", "STATUS", "accepted"],
  ])("of version %s for %s is %s", (cniVersion, command, outcome) =>
    expect(withConfig({ cniVersion }, command)).toBe(outcome),
  );

  it("never fails but with a CniError, whatever is in it", () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom("CNI_COMMAND", "CNI_ARGS", "CNI_IFNAME", "CNI_CONTAINERID"),
          fc.string(),
        ),
        fc.json(),
        (environment, config) => {
          const raw = { environment: { ...call("ADD").environment, ...environment }, config, startedAt: 0n };
          expect(codeOf(() => parseRequest(raw))).toBeTypeOf("string");
        },
      ),
    );
  });
});
