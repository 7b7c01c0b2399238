import { stringifyJson } from "@fairlead/api";
import { describe, expect, test } from "vitest";
import { parseConfigureOptions, renderConfigured } from "./configure.ts";
import { parseLeakReport, writeLeakReport } from "./leak-report.ts";
import { renderCheck } from "./render-check.ts";
import { renderAddress, renderShow } from "./render-show.ts";
import { del, Testbed } from "./testbed.ts";

async function prepared() {
  const bed = new Testbed("10.0.0.0/24", "fd00::/112");
  const ipam = bed.boot();
  const request = bed.pod("node-1", { vm: bed.vm("db").active, addresses: ["10.0.0.5"] });
  await ipam.workloads.assign(request);
  return { bed, ipam, request };
}

describe("ipam show", () => {
  test("without options: usage per pool", async () => {
    const { ipam } = await prepared();
    expect(renderShow(await ipam.overview())).toMatchInlineSnapshot(`
      "+----------+-------------+-----------+------------+--------------+
      | GROUPING |    CIDR     | IPS TOTAL | IPS IN USE |   IPS FREE   |
      +----------+-------------+-----------+------------+--------------+
      | IP Pool  | 10.0.0.0/24 |       256 | 1 (0%)     | 255 (100%)   |
      | IP Pool  | fd00::/112  |     65536 | 0 (0%)     | 65536 (100%) |
      +----------+-------------+-----------+------------+--------------+
      "
    `);
  });
  test("--show-blocks, --show-borrowed and --show-configuration", async () => {
    const { bed, ipam } = await prepared();
    await ipam.workloads.assign(bed.pod("node-2", { addresses: ["10.0.0.6"] }));
    const text = renderShow(await ipam.overview(), { blocks: true, borrowed: true, configuration: true });
    expect(text).toMatchInlineSnapshot(`
      "+------------------------------+---------+
      |           PROPERTY           |  VALUE  |
      +------------------------------+---------+
      | StrictAffinity               | false   |
      | AutoAllocateBlocks           | true    |
      | MaxBlocksPerHost             |       0 |
      | KubeVirtVMAddressPersistence | Enabled |
      | IPCooldownSeconds            |       0 |
      +------------------------------+---------+
      +----------+----------------+-------------+-------------+------+---------------+
      |    IP    | BORROWING-NODE |    BLOCK    | BLOCK OWNER | TYPE | ALLOCATED-TO  |
      +----------+----------------+-------------+-------------+------+---------------+
      | 10.0.0.6 | node-2         | 10.0.0.0/26 | node-1      | pod  | default/pod-2 |
      +----------+----------------+-------------+-------------+------+---------------+
      +----------+-------------+-----------+------------+--------------+
      | GROUPING |    CIDR     | IPS TOTAL | IPS IN USE |   IPS FREE   |
      +----------+-------------+-----------+------------+--------------+
      | IP Pool  | 10.0.0.0/24 |       256 | 2 (1%)     | 254 (99%)    |
      | Block    | 10.0.0.0/26 |        64 | 2 (3%)     | 62 (97%)     |
      | IP Pool  | fd00::/112  |     65536 | 0 (0%)     | 65536 (100%) |
      +----------+-------------+-----------+------------+--------------+
      "
    `);
  });
  test("--ip", async () => {
    const { ipam } = await prepared();
    expect(renderAddress(await ipam.show("10.0.0.5"))).toMatchInlineSnapshot(`
      "IP 10.0.0.5 is in use
      Handle ID: net1.vmi.default.db
      Active Owner Attributes:
        container: container-1
        namespace: default
        node: node-1
        pod: virt-launcher-1
        pod-created: 2026-01-01T00:00:01.000Z
        pod-uid: uid-1
        timestamp: 2026-01-01 00:00:00.000 +0000 UTC
        vm-uid: vm-db
        vmi-name: db
        vmi-uid: vmi-db
      "
    `);
    expect(renderAddress(await ipam.show("10.0.0.6"))).toBe("10.0.0.6 is not assigned\n");
  });
});

describe("ipam configure", () => {
  test("says what it set, in the incumbent's words", () => {
    const options = {
      strictaffinity: "true",
      "max-blocks-per-host": "4",
      "kubevirt-ip-persistence": "Enabled",
    };
    expect(renderConfigured(parseConfigureOptions(options))).toBe(
      "Successfully set StrictAffinity to: true\nSuccessfully set MaxBlocksPerHost to: 4\nSuccessfully set KubeVirtVMAddressPersistence to: Enabled\n",
    );
  });
  test.each([
    [{}, "at least one configuration option must be specified"],
    [{ strictaffinity: "yes" }, "invalid value. Use true or false to set strictaffinity"],
    [{ "max-blocks-per-host": "many" }, "invalid value for maxblockhost. Use a valid number"],
    [
      { "kubevirt-ip-persistence": "on" },
      "invalid value for --kubevirt-ip-persistence. Use Enabled or Disabled",
    ],
  ])("%j: %s", (options, message) => expect(() => parseConfigureOptions(options)).toThrow(message));
  test("refuses combinations that leave nodes without addresses", async () => {
    const ipam = new Testbed().boot();
    await expect(ipam.configure({ autoAllocateBlocks: false })).rejects.toThrow(
      "Cannot disable 'StrictAffinity' and 'AutoAllocateBlocks' at the same time",
    );
    await expect(ipam.configure({ maxBlocksPerHost: 3 })).rejects.toThrow("requires StrictAffinity");
    await expect(ipam.configure({ ipCooldownSeconds: 1201 })).rejects.toMatchObject({
      field: "spec.ipCooldownSeconds",
    });
  });
});

describe("ipam check and release --from-report", () => {
  const context = {
    version: "1",
    clusterGUID: "g",
    clusterInformationRevision: "7",
    clusterType: "k8s",
    datastoreLocked: true,
  };
  const empty = { pods: [], nodes: [], vms: [], vmis: [] };

  test("prints what is leaked, and a report that releases exactly that", async () => {
    const { ipam, request } = await prepared();
    await ipam.workloads.release(del(request));
    const report = await ipam.check(empty);
    expect(renderCheck(report, { showProblemIps: true })).toContain(
      "  10.0.0.5 leaked; attrs Main:net1.vmi.default.db Extra: (VM default/db does not exist)\nFound 1 IPs that are allocated in IPAM but not actually in use.",
    );
    const file = stringifyJson(writeLeakReport(report, context));
    const read = parseLeakReport(file, "report.json");
    const release = (change = {}, options = {}) =>
      ipam.releaseFromReports([read], { ...context, ...change }, options);
    await expect(release({ datastoreLocked: false })).rejects.toMatchObject({ code: "DatastoreNotLocked" });
    await expect(release({ version: "2" })).rejects.toMatchObject({ code: "ReportMismatch" });
    await expect(release({ clusterInformationRevision: "8" })).rejects.toMatchObject({
      code: "ReportMismatch",
    });
    expect((await release({ version: "2", datastoreLocked: false }, { force: true })).released).toEqual([
      "10.0.0.5",
    ]);
    expect((await ipam.overview()).pools[0]!.used).toBe(0);
  });

  test("an address that was given to somebody else since the report is not released", async () => {
    const { bed, ipam, request } = await prepared();
    const report = writeLeakReport(await ipam.check(empty), context);
    await ipam.workloads.release(del(request, true));
    await ipam.workloads.assign(bed.pod("node-1", { addresses: ["10.0.0.5"] }));
    const { released, failures } = await ipam.releaseFromReports([report], context);
    expect([released, failures.map(({ error }) => error.code)]).toEqual([[], ["HandleMismatch"]]);
  });

  test("an address in use that nobody allocated is a problem", async () => {
    const { ipam } = await prepared();
    const pod = { namespace: "d", name: "p", uid: "u", node: "n", phase: "Running", deleting: false };
    const report = await ipam.check({ ...empty, pods: [{ ...pod, addresses: ["10.0.0.9", "192.0.2.1"] }] });
    expect(report.notAllocated).toEqual([{ address: "10.0.0.9", user: "Workload(d/p)" }]);
    expect(report.notInPool).toEqual([{ address: "192.0.2.1", user: "Workload(d/p)" }]);
  });

  test.each(["", "{}", "[1]"])("%j is no report", (text) =>
    expect(() => parseLeakReport(text, "f")).toThrow("ReportMismatch"),
  );
});
