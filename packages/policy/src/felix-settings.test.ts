import { expect, test } from "vitest";
import { FelixSettings } from "./felix-settings.ts";
import { defaultSettings } from "./settings.ts";

const settings = () => new FelixSettings("n1", defaultSettings);

test("the node's own object goes before the default one, field by field", () => {
  const felix = settings();
  felix.upsert("default", {
    natPortRange: "40000:50000",
    defaultEndpointToHostAction: "ACCEPT",
    nftablesRefreshInterval: "1m30s",
  });
  felix.upsert("node.n1", { defaultEndpointToHostAction: "Return" });
  felix.upsert("node.n2", { nftablesFilterDenyAction: "Reject" });
  expect(felix.current).toMatchObject({
    natPortRange: [40_000, 50_000],
    defaultEndpointToHostAction: "Return",
    denyAction: "Drop",
    refreshInterval: 90_000,
  });
  felix.remove("node.n1");
  expect(felix.current.defaultEndpointToHostAction).toBe("Accept");
  felix.remove("default");
  expect(felix.current).toEqual(defaultSettings);
});

test("what no object names stays as the engine was made", () => {
  const felix = new FelixSettings("n1", { ...defaultSettings, workloadSourceSpoofing: "Any" });
  felix.upsert("default", { natOutgoingExclusions: "IPPoolsAndHostIPs", natOutgoingAddress: "203.0.113.9" });
  expect(felix.current).toEqual({
    ...defaultSettings,
    workloadSourceSpoofing: "Any",
    natOutgoingExclusions: "IPPoolsAndHostIPs",
    natOutgoingAddress: "203.0.113.9",
  });
});

test("failsafe ports are taken with their networks, and an empty list closes all", () => {
  const felix = settings();
  felix.upsert("default", {
    failsafeInboundHostPorts: [{ protocol: "tcp", port: 22, net: "10.0.0.0/8" }],
    failsafeOutboundHostPorts: [],
  });
  expect(felix.current.failsafeInbound).toEqual([{ protocol: "tcp", port: 22, net: "10.0.0.0/8" }]);
  expect(felix.current.failsafeOutbound).toEqual([]);
});

test.each([
  { natPortRange: "2000:1000" },
  { natPortRange: "all" },
  { nftablesMarkMask: 1 },
  { defaultEndpointToHostAction: "Perhaps" },
  { failsafeInboundHostPorts: [{ protocol: "tcp", port: 70_000 }] },
])("%j is refused and changes nothing", (spec) => {
  const felix = settings();
  felix.upsert("default", { nftablesFilterDenyAction: "Reject" });
  expect(() => felix.upsert("default", spec)).toThrow(expect.objectContaining({ code: "InvalidObject" }));
  expect(felix.current).toEqual({ ...defaultSettings, denyAction: "Reject" });
});

test("an interface prefix can be added and is never taken back while workloads may have it", () => {
  const felix = settings();
  felix.upsert("default", { interfacePrefix: "tap,veth" });
  expect(new Set(felix.current.interfacePrefixes)).toEqual(new Set(["tap", "veth", "cali"]));
});

test.each(["x".repeat(16), 'cali";', "cali,a/b", "cali eth"])(
  "%j begins no interface's name",
  (interfacePrefix) => {
    const felix = settings();
    expect(() => felix.upsert("default", { interfacePrefix })).toThrow(
      expect.objectContaining({ code: "InvalidObject", message: expect.stringContaining("interfacePrefix") }),
    );
    expect(felix.current).toEqual(defaultSettings);
  },
);

test("blanks around interface prefixes mean nothing", () => {
  const felix = settings();
  felix.upsert("default", { interfacePrefix: " cali, tap," });
  expect(felix.current.interfacePrefixes).toEqual(["cali", "tap"]);
});
