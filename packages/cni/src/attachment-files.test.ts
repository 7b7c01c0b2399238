import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
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
