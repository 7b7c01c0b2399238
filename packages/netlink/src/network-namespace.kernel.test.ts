import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { NetworkNamespace } from "./network-namespace.ts";
import { RouteSocket } from "./route-socket.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

const directory = mkdtempSync(join(tmpdir(), "fairlead-netns-"));
afterAll(() => rmSync(directory, { recursive: true }));

const linksHere = () =>
  readdirSync("/proc/sys/net/ipv4/conf").filter((name) => name !== "all" && name !== "default");

test("a new namespace is another one, and the thread is back in its own", () => {
  using home = NetworkNamespace.current();
  using fresh = NetworkNamespace.create();
  expect(fresh.equals(home)).toBe(false);
  using after = NetworkNamespace.current();
  expect(after.equals(home)).toBe(true);
});

test("files read inside are those of the namespace", () => {
  using fresh = NetworkNamespace.create();
  using route = RouteSocket.open({ netns: fresh });
  route.links.add({ kind: "bridge", name: "only-here" });
  expect(fresh.run(linksHere).sort()).toEqual(["lo", "only-here"]);
  expect(linksHere()).not.toContain("only-here");
});

test("the thread comes back from a function that throws, and from one inside another", () => {
  using home = NetworkNamespace.current();
  using one = NetworkNamespace.create();
  using two = NetworkNamespace.create();
  const inode = () => {
    using current = NetworkNamespace.current();
    return current.inode;
  };
  expect(() =>
    one.run(() => {
      throw new Error("inside");
    }),
  ).toThrow("inside");
  expect(inode()).toBe(home.inode);
  expect(one.run(() => [inode(), two.run(inode), inode()])).toEqual([one.inode, two.inode, one.inode]);
  expect(inode()).toBe(home.inode);
});

test("a function that returns a promise is refused: it would go on in the wrong namespace", () => {
  using fresh = NetworkNamespace.create();
  expect(() => fresh.run(async () => {})).toThrow(expect.objectContaining({ code: "Invalid" }));
});

test("a namespace at a path outlives its value and ends when the path is removed", () => {
  const path = join(directory, "named");
  const inode = (() => {
    using named = NetworkNamespace.createAt(path);
    return named.inode;
  })();
  using again = NetworkNamespace.open(path);
  expect(again.inode).toBe(inode);
  expect(() => NetworkNamespace.createAt(path)).toThrow(expect.objectContaining({ code: "AlreadyExists" }));
  NetworkNamespace.remove(path);
  expect(existsSync(path)).toBe(false);
});

test("a namespace is opened by process and by descriptor", () => {
  using home = NetworkNamespace.current();
  using byPid = NetworkNamespace.open({ pid: process.pid });
  using byFd = NetworkNamespace.open({ fd: home.fd });
  expect([byPid.inode, byFd.inode]).toEqual([home.inode, home.inode]);
  expect(byFd.fd).not.toBe(home.fd);
});

test.each([
  ["/nonexistent/netns", "NotFound"],
  ["/etc/hostname", "Invalid"],
  ["/proc/self/ns/mnt", "Invalid"],
])("%s cannot be opened: %s", (path, code) => {
  expect(() => NetworkNamespace.open(path)).toThrow(expect.objectContaining({ name: "NetlinkError", code }));
});

test("a closed namespace says so, twice closed is closed", () => {
  const fresh = NetworkNamespace.create();
  fresh.close();
  fresh.close();
  expect(() => fresh.run(() => {})).toThrow(expect.objectContaining({ code: "Closed" }));
});

test("entering and failing to enter leave no descriptor open", () => {
  using fresh = NetworkNamespace.create();
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 50; i++) {
    fresh.run(() => {});
    expect(() => NetworkNamespace.open("/etc/hostname")).toThrow();
  }
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("a sysctl is read and written in its namespace only, also for a link with dots in its name", () => {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  route.links.add({ kind: "bridge", name: "eth0.5" });
  const key = ["ipv4", "conf", "eth0.5", "proxy_arp"];
  writeSysctl(key, 1, { netns });
  expect(readSysctl(key, { netns })).toBe("1");
  expect(() => readSysctl(key)).toThrow(
    expect.objectContaining({ code: "NotFound", object: "net/ipv4/conf/eth0.5/proxy_arp" }),
  );
  expect(() => writeSysctl(key, "not a number", { netns })).toThrow(
    expect.objectContaining({ code: "Invalid" }),
  );
});

test.each([
  [["ipv4", "..", "..", "kernel", "hostname"]],
  [["ipv4", "conf/eth0/forwarding"]],
  [["ipv4", ""]],
  [["ipv4", "a\0b"]],
  [["ipv4"]],
])("the sysctl key %j leads nowhere", (key) => {
  expect(() => readSysctl(key)).toThrow(
    expect.objectContaining({ code: "Invalid", operation: "name sysctl" }),
  );
});
