import type { LocalEndpoint } from "@fairlead/policy";
import { expect, it } from "vitest";
import { createEndpoints, type EndpointFacts, endpointId } from "./endpoints.ts";
import { fakeAttachment } from "./fakes.fixture.ts";
import type { MigrationRecord } from "./migration.ts";
import { createFakeTimeline } from "./timeline.ts";

function setUp() {
  const told: LocalEndpoint[] = [];
  const removed: string[] = [];
  const dropped: string[] = [];
  let acknowledge: () => void = () => {};
  let facts: EndpointFacts = {
    labels: { app: "web" },
    ports: [],
    allowedSourcePrefixes: [],
    guestMacs: ["02:aa:00:00:00:01"],
  };
  let record: MigrationRecord | undefined;
  const timeline = createFakeTimeline();
  const endpoints = createEndpoints({
    policy: {
      endpoints: { upsert: (endpoint) => void told.push(endpoint), remove: (id) => void removed.push(id) },
      ready: () => new Promise<void>((resolve) => (acknowledge = resolve)),
    },
    migrations: {
      follow() {},
      listening: async () => {},
      drop: ({ containerId }) => void dropped.push(containerId),
      recordOf: () => record,
    },
    timeline,
    factsOf: () => facts,
    onError: (error) => {
      throw error;
    },
  });
  return {
    endpoints,
    told,
    removed,
    dropped,
    timeline,
    setFacts: (more: Partial<EndpointFacts>) => {
      facts = { ...facts, ...more };
    },
    setRecord: (next: MigrationRecord) => {
      record = next;
    },
    async acknowledge() {
      acknowledge();
      await new Promise(setImmediate);
    },
  };
}

const attachment = fakeAttachment("a");

it("is ready when the kernel has acknowledged what policy was told last", async () => {
  const { endpoints, acknowledge, setFacts, timeline } = setUp();
  endpoints.add(attachment);
  expect(endpoints.isReady(attachment)).toBe(false);
  await acknowledge();
  expect(endpoints.isReady(attachment)).toBe(true);
  setFacts({ labels: { app: "other" } });
  endpoints.refresh(attachment);
  expect(endpoints.isReady(attachment)).toBe(false);
  await acknowledge();
  expect(endpoints.isReady(attachment)).toBe(true);
  expect(timeline.events.map(({ event }) => event)).toEqual([
    "endpoint-added",
    "policy-ready",
    "policy-ready",
  ]);
});

it("tells policy nothing twice", () => {
  const { endpoints, told } = setUp();
  endpoints.add(attachment);
  endpoints.wired(attachment);
  endpoints.refresh(attachment);
  expect(told).toHaveLength(1);
});

it("lets a guest use its own MAC and the pod's, and lets nothing out where it is not", () => {
  const { endpoints, told, setRecord } = setUp();
  endpoints.add({ ...attachment, role: "target" });
  expect(told[0]).toMatchObject({ state: "arriving", macs: ["02:00:00:00:00:01", "02:aa:00:00:00:01"] });
  setRecord({ state: "Away", epoch: 1 });
  endpoints.refresh({ ...attachment, role: "target" });
  expect(told[1]?.state).toBe("down");
});

it("is not removed by the container it replaced", () => {
  const { endpoints, removed, dropped } = setUp();
  const newer = { ...attachment, containerId: "newer", generation: 2 };
  endpoints.add(newer);
  endpoints.remove(attachment);
  expect([removed, dropped]).toEqual([[], []]);
  endpoints.remove(newer);
  expect([removed, dropped]).toEqual([[endpointId(newer)], ["newer"]]);
});

it("is removed although it was not taken up again after a restart", () => {
  const { endpoints, removed, dropped } = setUp();
  endpoints.remove(attachment);
  expect([removed, dropped]).toEqual([[endpointId(attachment)], [attachment.containerId]]);
});
