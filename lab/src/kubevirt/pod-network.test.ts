import { expect, test } from "vitest";
import { podNetworkFrom } from "./pod-network.ts";

const link = {
  ifname: "eth0",
  address: "9a:76:5d:f1:15:e1",
  mtu: 1500,
  addr_info: [
    { family: "inet", local: "10.244.0.5", prefixlen: 32, scope: "global" },
    { family: "inet6", local: "fd77::5", prefixlen: 128, scope: "global" },
    { family: "inet6", local: "fe80::9876:5dff:fef1:15e1", prefixlen: 64, scope: "link" },
  ],
};

test("global addresses are the pod's, link-local ones are the kernel's", () => {
  const network = podNetworkFrom(link, [], []);
  expect(network).toMatchObject({ ipv4: ["10.244.0.5/32"], ipv6: ["fd77::5/128"], mtu: 1500 });
});

test("routes keep the kernel's order and their gateways; link-local and multicast prefixes are left out", () => {
  const { routes } = podNetworkFrom(
    link,
    [{ dst: "default", gateway: "169.254.1.1" }, { dst: "169.254.1.1" }],
    [{ dst: "fe80::/64" }, { dst: "ff00::/8" }, { dst: "default", gateway: "fe80::1" }],
  );
  expect(routes).toEqual([
    { destination: "default", gateway: "169.254.1.1", family: 4 },
    { destination: "169.254.1.1", family: 4 },
    { destination: "default", gateway: "fe80::1", family: 6 },
  ]);
});
