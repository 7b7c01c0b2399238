import fc from "fast-check";
import { expect, test } from "vitest";
import { type DhcpRequest, dhcpReply, encodeRoutes, leaseFor, parseDhcpRequest } from "./dhcp-message.ts";
import type { PodNetwork } from "./pod-network.ts";

const calicoLike: PodNetwork = {
  mac: "9a:76:5d:f1:15:e1",
  mtu: 1450,
  ipv4: ["10.244.0.5/32"],
  ipv6: ["fd77::5/128"],
  routes: [
    { destination: "default", gateway: "169.254.1.1", family: 4 },
    { destination: "169.254.1.1", family: 4 },
    { destination: "default", gateway: "fe80::ecee:eeff:feee:eeee", family: 6 },
  ],
};
const more = { hostname: "vm", dns: ["10.96.0.10"] };

/** A DISCOVER or REQUEST as a client sends it. */
function clientMessage(type: number, mac: readonly number[]): Buffer {
  const message = Buffer.alloc(240);
  message.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef], 0);
  message.set(mac, 28);
  message.writeUInt32BE(0x63825363, 236);
  return Buffer.concat([message, Buffer.of(55, 3, 1, 3, 121, 0, 53, 1, type, 255)]);
}
const mac = [0x9a, 0x76, 0x5d, 0xf1, 0x15, 0xe1];

test("a /32 with a link-local gateway becomes options 1, 3 and 121 as KubeVirt gives them", () => {
  const lease = leaseFor(calicoLike, more)!;
  const reply = dhcpReply(parseDhcpRequest(clientMessage(1, mac))!, lease, "169.254.75.10");
  expect(reply.subarray(16, 20).join(".")).toBe("10.244.0.5");
  expect(optionsOf(reply)).toMatchInlineSnapshot(`
    {
      "1": "ffffffff",
      "12": "766d",
      "121": "20a9fe01010000000000a9fe0101",
      "26": "05aa",
      "3": "a9fe0101",
      "51": "05250a80",
      "53": "02",
      "54": "a9fe4b0a",
      "6": "0a60000a",
    }
  `);
});

test("a REQUEST is acknowledged under the client's transaction and hardware address", () => {
  const reply = dhcpReply(
    parseDhcpRequest(clientMessage(3, mac))!,
    leaseFor(calicoLike, more)!,
    "169.254.75.10",
  );
  expect(optionsOf(reply)[53]).toBe("05");
  expect(reply.subarray(4, 8).toString("hex")).toBe("deadbeef");
  expect([...reply.subarray(28, 34)]).toEqual(mac);
});

test("RELEASE, INFORM, replies and noise are not requests", () => {
  expect(parseDhcpRequest(clientMessage(7, mac))).toBeUndefined();
  expect(parseDhcpRequest(clientMessage(8, mac))).toBeUndefined();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      expect(parseDhcpRequest(Buffer.from(noise))).toBeUndefined();
    }),
  );
});

test("a message cut off anywhere never throws", () => {
  const whole = clientMessage(1, mac);
  for (let length = 0; length < whole.length; length++) parseDhcpRequest(whole.subarray(0, length));
});

test("a pod with a subnet gets no route to its own subnet, and the default route comes last", () => {
  const lease = leaseFor(
    {
      ...calicoLike,
      ipv4: ["10.1.2.3/24"],
      routes: [
        { destination: "default", gateway: "10.1.2.1", family: 4 },
        { destination: "10.1.2.0/24", family: 4 },
        { destination: "192.168.0.0/16", gateway: "10.1.2.2", family: 4 },
      ],
    },
    more,
  );
  expect(lease?.routes.map(({ destination }) => destination)).toEqual(["192.168.0.0/16", "0.0.0.0/0"]);
});

test("without IPv4, or without a gateway, there is no lease", () => {
  expect(leaseFor({ ...calicoLike, ipv4: [] }, more)).toBeUndefined();
  expect(leaseFor({ ...calicoLike, routes: [] }, more)).toBeUndefined();
});

test("a destination takes as many octets as its prefix needs", () => {
  const route = (destination: string) => encodeRoutes([{ destination, gateway: "0.0.0.0" }]).length - 5;
  expect(["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/9", "10.1.2.0/24", "10.1.2.3/32"].map(route)).toEqual([
    0, 1, 2, 3, 4,
  ]);
});

test("what is asked for is read back from what was asked", () => {
  const request: DhcpRequest | undefined = parseDhcpRequest(clientMessage(1, mac));
  expect(request).toMatchObject({ type: "DISCOVER", mac: "9a:76:5d:f1:15:e1" });
});

function optionsOf(message: Buffer): Record<number, string> {
  const found: Record<number, string> = {};
  for (let at = 240; message[at] !== 255; at += 2 + message[at + 1]!) {
    found[message[at]!] = message.subarray(at + 2, at + 2 + message[at + 1]!).toString("hex");
  }
  return found;
}
