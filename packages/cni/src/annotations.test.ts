import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readWishes } from "./annotations.ts";
import { conf } from "./calls.fixture.ts";
import { parseConfig } from "./config.ts";
import { CniError } from "./error.ts";

const config = parseConfig(JSON.stringify(conf));
const key = (name: string) => `cni.projectcalico.org/${name}`;
const read = (pod: Record<string, string>, namespace: Record<string, string> = {}) => {
  const withPrefix = (all: Record<string, string>) =>
    Object.fromEntries(Object.entries(all).map(([name, value]) => [key(name), value]));
  return readWishes(withPrefix(pod), withPrefix(namespace), config);
};

describe("annotations", () => {
  it("of the pod go before the namespace's, those before the configuration", () => {
    expect(read({})).toMatchObject({ ipv4: true, ipv6: true, ipv4Pools: [] });
    expect(read({}, { ipv4pools: '["ns"]', ipFamilies: '["IPv6"]' })).toMatchObject({
      ipv4: false,
      ipv6: true,
      ipv4Pools: ["ns"],
    });
    expect(read({ ipv4pools: '["pod"]', ipFamilies: '["IPv4"]' }, { ipv4pools: '["ns"]' })).toMatchObject({
      ipv4: true,
      ipv6: false,
      ipv4Pools: ["pod"],
    });
  });

  it("may fix one address of each family at once", () =>
    expect(read({ ipAddrs: '["10.0.0.9","fd00::9"]' })).toMatchObject({
      ipv4: true,
      ipv6: true,
      ipAddrs: ["10.0.0.9", "fd00::9"],
    }));

  it("with one fixed address ask for that family only", () =>
    expect(read({ ipAddrs: '["10.0.0.9"]' })).toMatchObject({ ipv4: true, ipv6: false }));

  it.each([
    [{ ipAddrs: '["10.0.0.1","10.0.0.2"]' }, "more than one address of a family"],
    [{ ipAddrs: '["10.0.0.1/24"]' }, "no IP address"],
    [{ ipAddrs: '["fe80::1%eth0"]' }, "no IP address"],
    [{ ipAddrs: "10.0.0.1" }, "not a JSON list"],
    [{ ipAddrs: "[1]" }, "not a JSON list"],
    [{ ipv4pools: `["${"x".repeat(5000)}"]` }, "not a JSON list"],
    [{ ipFamilies: '["IPv5"]' }, "error parsing ipFamilies"],
    [{ ipFamilies: "[]" }, "error parsing ipFamilies"],
    [{ hwAddr: "01:00:5e:00:00:01" }, "multicast"],
    [{ hwAddr: "EE:EE:EE:EE:EE:EE" }, "gateway's MAC"],
    [{ hwAddr: "02:00:00:00:00:01; drop" }, "no MAC address"],
    [{ ipAddrsNoIpam: '["10.0.0.1"]' }, "not enabled: ip_addrs_no_ipam"],
    [{ floatingIPs: '["10.0.0.1"]' }, "not enabled: floating_ips"],
  ])("%j are refused: %s", (pod, message) => {
    expect(() => read(pod as Record<string, string>)).toThrow(message);
    expect(() => read(pod as Record<string, string>)).toThrow(CniError);
  });

  it("of any content are read or refused by name", () => {
    const name = fc.constantFrom("ipAddrs", "ipv4pools", "ipv6pools", "ipFamilies", "hwAddr");
    fc.assert(
      fc.property(name, fc.oneof(fc.string(), fc.json()), (annotation, value) => {
        try {
          read({ [annotation]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(CniError);
          expect(String(error)).toContain(annotation);
        }
      }),
    );
  });
});
