import type { Pod } from "@fairlead/api";
import { describe, expect, it } from "vitest";
import type { ContainerRecord, PodRecord } from "./record.ts";
import { podStatus } from "./status.ts";
import { nextStep } from "./step.ts";

const now = 1_000_000;

function pod(
  spec: Partial<Pod["spec"]> = {},
  metadata: Partial<Pod["metadata"]> = {},
  status?: Pod["status"],
): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "default", uid: "u", ...metadata },
    spec: { containers: [{ name: "main", command: ["sleep"] }], ...spec },
    ...(status && { status }),
  };
}

function record(overrides: Partial<PodRecord> = {}): PodRecord {
  return {
    podUID: "u",
    namespace: "default",
    name: "p",
    containerId: "c",
    netns: "/run/netns/c",
    createdAt: now - 5_000,
    attachedAt: now - 4_000,
    addresses: ["10.244.0.5", "fd00::5"],
    failures: 0,
    graceSeconds: 30,
    containers: [],
    ...overrides,
  };
}

function container(overrides: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    name: "main",
    init: false,
    pid: 7,
    startTime: "1",
    startedAt: now - 3_000,
    restarts: 0,
    ...overrides,
  };
}

const ended = (code: number, at = now - 1_000) => container({ exit: { code, at } });
const leaving = { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 30 };

describe("nextStep", () => {
  it("gives a new pod its network before anything of it runs", () => {
    expect(nextStep(pod(), undefined, now)).toEqual({ do: "attach" });
    expect(nextStep(pod(), record(), now)).toMatchObject({ do: "start", container: { name: "main" } });
  });

  it("tries a failed ADD again, later each time", () => {
    const { attachedAt: _, ...unattached } = record();
    const failed = (failures: number) => ({ ...unattached, failures, failure: { message: "no", at: now } });
    const waits = [1, 2, 3, 20].map((n) => nextStep(pod(), failed(n), now));
    expect(waits).toEqual([500, 1_000, 2_000, 30_000].map((wait) => ({ do: "wait", until: now + wait })));
    expect(nextStep(pod(), failed(1), now + 500)).toEqual({ do: "attach" });
  });

  it("gives the network back at completion while the object stays", () => {
    const never = pod({ restartPolicy: "Never" });
    expect(nextStep(never, record({ containers: [ended(0)] }), now)).toEqual({ do: "detach" });
    expect(nextStep(never, record({ containers: [ended(0)], detachedAt: now }), now)).toEqual({
      do: "nothing",
    });
  });

  it.each([
    ["Always", 0, true],
    ["Always", 1, true],
    ["OnFailure", 1, true],
    ["OnFailure", 0, false],
    ["Never", 1, false],
  ] as const)("with restartPolicy %s and status %i starts again: %s", (restartPolicy, code, again) => {
    const step = nextStep(pod({ restartPolicy }), record({ containers: [ended(code)] }), now);
    expect(step.do).toBe(again ? "start" : "detach");
  });

  it("terminates, waits for the grace period, kills, gives the network back, and only then removes the object", () => {
    const going = pod({}, leaving);
    const running = record({ containers: [container()] });
    expect(nextStep(going, running, now)).toEqual({ do: "terminate" });
    const asked = { ...running, terminateSentAt: now };
    expect(nextStep(going, asked, now + 1)).toEqual({ do: "wait", until: now + 30_000 });
    expect(nextStep(going, asked, now + 30_000)).toEqual({ do: "kill" });
    const dead = { ...asked, killSentAt: now, containers: [ended(137)] };
    expect(nextStep(going, dead, now)).toEqual({ do: "detach" });
    expect(nextStep(going, { ...dead, detachedAt: now }, now)).toEqual({ do: "deleteObject" });
    expect(nextStep(undefined, { ...dead, detachedAt: now }, now)).toEqual({ do: "forget" });
  });

  it("gives the processes of an object deleted by force one second", () => {
    const running = record({ containers: [container()], terminateSentAt: now });
    expect(nextStep(undefined, running, now)).toEqual({ do: "wait", until: now + 1_000 });
  });

  it("runs init containers one after the other and stops at a failure that is final", () => {
    const two = pod({ restartPolicy: "Never", initContainers: [{ name: "a" }, { name: "b" }] });
    const init = (name: string, exit?: { code: number; at: number }) =>
      container({ name, init: true, ...(exit && { exit }) });
    expect(nextStep(two, record(), now)).toMatchObject({ do: "start", container: { name: "a" }, init: true });
    expect(nextStep(two, record({ containers: [init("a")] }), now)).toEqual({ do: "nothing" });
    const first = record({ containers: [init("a", { code: 0, at: now })] });
    expect(nextStep(two, first, now)).toMatchObject({ container: { name: "b" } });
    expect(nextStep(two, record({ containers: [init("a", { code: 1, at: now })] }), now)).toEqual({
      do: "detach",
    });
  });

  it("leaves alone what is over, and removes an object nothing was ever made for", () => {
    expect(nextStep(pod({}, {}, { phase: "Succeeded" }), undefined, now)).toEqual({ do: "nothing" });
    expect(nextStep(pod({}, leaving), undefined, now)).toEqual({ do: "deleteObject" });
  });
});

describe("podStatus", () => {
  const conditions = (p: Pod, r: PodRecord | undefined) =>
    Object.fromEntries(podStatus(p, r, ["10.10.1.2"], now).conditions!.map((c) => [c.type, c.status]));

  it("is Running but not Ready while a readiness gate is closed", () => {
    const gate = { readinessGates: [{ conditionType: "kubevirt.io/virtual-machine-unpaused" }] };
    const runs = record({ containers: [container()] });
    expect(podStatus(pod(gate), runs, [], now).phase).toBe("Running");
    expect(conditions(pod(gate), runs)).toMatchObject({ ContainersReady: "True", Ready: "False" });
    const opened = pod(
      gate,
      {},
      {
        conditions: [{ type: "kubevirt.io/virtual-machine-unpaused", status: "True" }],
      },
    );
    expect(conditions(opened, runs)).toMatchObject({ Ready: "True" });
  });

  it.each([
    [0, "Succeeded"],
    [3, "Failed"],
  ] as const)("after status %i is %s and still says which addresses it had", (code, phase) => {
    const status = podStatus(pod({ restartPolicy: "Never" }), record({ containers: [ended(code)] }), [], now);
    expect(status).toMatchObject({
      phase,
      podIP: "10.244.0.5",
      podIPs: [{ ip: "10.244.0.5" }, { ip: "fd00::5" }],
    });
    expect(status.containerStatuses?.[0]?.state).toMatchObject({ terminated: { exitCode: code } });
  });

  it("keeps the time of a condition that did not change", () => {
    const before = pod(
      {},
      {},
      {
        conditions: [{ type: "Ready", status: "False", lastTransitionTime: "2020-01-01T00:00:00Z" }],
      },
    );
    const ready = (r: PodRecord) => podStatus(before, r, [], now).conditions!.find((c) => c.type === "Ready");
    expect(ready(record())?.lastTransitionTime).toBe("2020-01-01T00:00:00Z");
    expect(ready(record({ containers: [container()] }))?.lastTransitionTime).not.toBe("2020-01-01T00:00:00Z");
  });
});
