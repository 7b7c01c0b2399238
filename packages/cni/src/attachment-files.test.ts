import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAttachmentFiles } from "./attachment-files.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-attachments-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const attachment = {
  containerId: "c1",
  ifName: "eth0",
  generation: 1,
  network: "k8s-pod-network",
  netns: "/run/netns/c1",
  pod: { namespace: "default", name: "web", uid: "u" },
  hostInterface: "cali1",
  addresses: ["10.244.0.1", "fd00::1"],
  role: "workload",
  endpointStatusDir: "/run",
  step: "ready",
} as const;

it("attachments and inheritances outlive the process", () => {
  const { inheritance, ...store } = openAttachmentFiles(directory);
  store.put(attachment);
  for (const address of attachment.addresses) inheritance.leave(address, "vm-uid");
  const later = openAttachmentFiles(directory);
  expect(later.list()).toEqual([attachment]);
  expect(attachment.addresses.map(later.inheritance.ownerOf)).toEqual(["vm-uid", "vm-uid"]);
  later.delete(attachment);
  for (const address of attachment.addresses) later.inheritance.settle(address);
  later.inheritance.settle("10.0.0.9");
  expect(readdirSync(directory)).toEqual([]);
  expect(openAttachmentFiles(directory).inheritance.ownerOf("fd00::1")).toBeUndefined();
});

it("puts aside what it cannot read, says so, and goes on", () => {
  openAttachmentFiles(directory).put(attachment);
  writeFileSync(join(directory, "c2.eth0.json"), "{");
  writeFileSync(join(directory, "c3.eth0.json.tmp"), "{");
  const reported: string[] = [];
  expect(openAttachmentFiles(directory, (file) => reported.push(file)).list()).toEqual([attachment]);
  expect(reported).toEqual([join(directory, "c2.eth0.json")]);
  expect(readdirSync(directory).sort()).toEqual(["c1.eth0.json", "c2.eth0.json.broken"]);
});

describe("a directory that is littered", () => {
  const huge = () => "x".repeat(2 << 20);
  const whole = JSON.stringify(attachment);
  it.each<[string, (path: (name: string) => string) => void]>([
    ["a name that is no encoded text", (path) => writeFileSync(path("%ZZ.inherited"), "vm-uid")],
    ["a name that is no address", (path) => writeFileSync(path("localhost.inherited"), "vm-uid")],
    [
      "a directory where a file was being written",
      (path) => mkdirSync(join(path("b.tmp"), "x"), { recursive: true }),
    ],
    [
      "a directory instead of an attachment",
      (path) => mkdirSync(join(path("x.json"), "y"), { recursive: true }),
    ],
    ["a directory instead of an inheritance", (path) => mkdirSync(path("10.0.0.9.inherited"))],
    ["a link to another file", (path) => symlinkSync("/etc/passwd", path("l.json"))],
    ["a link that leads nowhere", (path) => symlinkSync("nowhere", path("l.json"))],
    ["a link to itself", (path) => symlinkSync("l.json", path("l.json"))],
    ["a huge file", (path) => writeFileSync(path("h.json"), huge())],
    ["bytes that are no text", (path) => writeFileSync(path("z.json"), Buffer.from([0xff, 0, 0xfe, 0x80]))],
    ["an empty file", (path) => writeFileSync(path("e.json"), "")],
    ["null", (path) => writeFileSync(path("n.json"), "null")],
    ["another's attachment", (path) => writeFileSync(path("c9.eth0.json"), whole)],
    [
      "addresses that are none",
      (path) => writeFileSync(path("c1.a.json"), whole.replace("10.244.0.1", "10.244.0.1/0")),
    ],
    ["a file that was put aside", (path) => writeFileSync(path("c1.eth0.json.broken"), "{")],
  ])("by %s is read all the same", (_what, place) => {
    openAttachmentFiles(directory).put(attachment);
    place((name) => join(directory, name));
    const reported: string[] = [];
    const opened = openAttachmentFiles(directory, (file) => reported.push(file));
    expect(opened.list()).toEqual([attachment]);
    const left = readdirSync(directory).filter((name) => !name.endsWith(".broken"));
    expect(left.filter((name) => name !== "10.0.0.9.inherited")).toEqual(["c1.eth0.json"]);
    // What was put aside is met once.
    const again: string[] = [];
    openAttachmentFiles(directory, (file) => again.push(file));
    expect(again).toEqual([]);
    expect(reported.length).toBeLessThanOrEqual(1);
  });

  it("an inheritance whose owner cannot be read is nobody's, so that nobody inherits a connection", () => {
    mkdirSync(join(directory, "fd00%3A%3A9.inherited"), { recursive: true });
    mkdirSync(join(directory, "10.0.0.9.inherited"));
    for (const open of [1, 2]) {
      const { inheritance } = openAttachmentFiles(directory);
      expect([open, ...["10.0.0.9", "fd00::9"].map(inheritance.ownerOf)]).toEqual([open, "", ""]);
    }
  });

  it("is read whatever lies in it", () => {
    const names = fc.oneof(
      fc.constantFrom("c2.eth0.json", "%.inherited", "10.0.0.1.inherited", "a.tmp", ".json", ".inherited"),
      fc
        .stringMatching(/^[a-z0-9%:. -]{1,12}(\.json|\.inherited|\.tmp)?$/)
        .filter((name) => !/^\.+$/.test(name)),
    );
    const contents = fc.oneof(fc.json(), fc.string(), fc.constant(undefined));
    fc.assert(
      fc.property(fc.dictionary(names, contents, { maxKeys: 5, noNullPrototype: true }), (litter) => {
        const here = mkdtempSync(join(directory, "litter-"));
        for (const [name, text] of Object.entries(litter))
          if (text === undefined) mkdirSync(join(here, name));
          else writeFileSync(join(here, name), text);
        const store = openAttachmentFiles(here);
        store.put(attachment);
        expect(openAttachmentFiles(here).get(attachment)).toEqual(attachment);
      }),
      { numRuns: 100 },
    );
  });
});

it("of an older release's file everything that does no harm is filled in", () => {
  const { containerId, ifName, hostInterface, network, pod, addresses } = attachment;
  const old = { containerId, ifName, hostInterface, network, addresses, linkIndex: 7, colour: "blue" };
  const { uid: _, ...name } = pod;
  writeFileSync(join(directory, "c1.eth0.json"), JSON.stringify({ ...old, pod: name, step: "done" }));
  expect(openAttachmentFiles(directory, (file) => expect.unreachable(file)).list()).toEqual([
    {
      ...old,
      generation: 1,
      netns: "",
      pod: { ...name, uid: "" },
      role: "workload",
      endpointStatusDir: "/var/run/calico/endpoint-status",
      step: "wired",
    },
  ]);
});

it("a directory that is lost while the agent runs comes back with the next note", () => {
  const store = openAttachmentFiles(directory, (file, error) => expect.unreachable(`${file} ${error}`));
  store.put(attachment);
  rmSync(directory, { recursive: true });
  store.delete({ ...attachment, ifName: "eth1" });
  store.put(attachment);
  expect(openAttachmentFiles(directory).list()).toEqual([attachment]);
});

it.each(["file", "link"])("a %s that has the directory's name is put aside", (kind) => {
  const here = join(directory, "attachments");
  if (kind === "file") writeFileSync(here, "");
  else symlinkSync("nowhere", here);
  openAttachmentFiles(here).put(attachment);
  expect(openAttachmentFiles(here).list()).toEqual([attachment]);
  expect(readdirSync(directory).sort()).toEqual(["attachments", "attachments.broken"]);
});

it("when notes are lost, any address may have been left by somebody, until somebody has it here", () => {
  const { inheritance } = openAttachmentFiles(directory, () => {}, { isLost: true });
  inheritance.leave("10.0.0.2", "vm-uid");
  expect(["10.0.0.1", "10.0.0.2"].map(inheritance.mayLack)).toEqual([true, true]);
  inheritance.settle("10.0.0.1");
  expect(["10.0.0.1", "10.0.0.2"].map(inheritance.mayLack)).toEqual([false, true]);
  expect(openAttachmentFiles(directory).inheritance.mayLack("10.0.0.3")).toBe(false);
});
