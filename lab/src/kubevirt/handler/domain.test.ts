import { expect, test } from "vitest";
import type { PodNetwork } from "../pod-network.ts";
import { vmiFixture } from "../vmi-fixture.ts";
import { domainOf } from "./domain.ts";

const network: PodNetwork = {
  mac: "02:00:00:00:00:09",
  mtu: 1450,
  ipv4: ["10.244.0.5/32"],
  ipv6: ["fd00::5/128"],
  routes: [{ family: 6, destination: "default", gateway: "fe80::1" }],
};

test("a VMI that asks for nothing gets one processor, the pod's MAC and its IPv6 address", () => {
  expect(domainOf(vmiFixture(), network)).toMatchObject({
    cpus: 1,
    memoryMiB: 128,
    mac: network.mac,
    ipv6: { address: "fd00::5", gateway: "fe80::1" },
  });
});

test("processors are the product of sockets, cores and threads", () => {
  const spec = { domain: { cpu: { sockets: 2, cores: 3 } } };
  expect(domainOf(vmiFixture({ spec }), network).cpus).toBe(6);
});

test("memory is the guest's own where given, else what the pod requests", () => {
  const requests = { resources: { requests: { memory: "96Mi" } } };
  const memoryOf = (domain: Record<string, unknown>) =>
    domainOf(vmiFixture({ spec: { domain } }), network).memoryMiB;
  expect(memoryOf(requests)).toBe(96);
  expect(memoryOf({ ...requests, memory: { guest: "1Gi" } })).toBe(1024);
});
