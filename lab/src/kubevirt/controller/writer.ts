import { type ApiClient, ApiError, kinds } from "@fairlead/api";
import type { Write } from "./decision.ts";

/** Carries out writes in order. A write that finds its object gone counts as done. */
export async function perform(client: ApiClient, writes: readonly Write[], component: string): Promise<void> {
  for (const write of writes) {
    try {
      await performOne(client, write, component);
    } catch (error) {
      if (!(error instanceof ApiError && error.code === "NotFound")) throw error;
    }
  }
}

async function performOne(client: ApiClient, write: Write, component: string): Promise<void> {
  switch (write.do) {
    case "replace":
      await client.replace(write.kind, write.object);
      return;
    case "replaceStatus":
      await client.replaceStatus(write.kind, write.object);
      return;
    case "patch":
      await client.patch(write.kind, write.ref, write.operations, {
        type: "json",
        ...(write.subresource && { subresource: write.subresource }),
      });
      return;
    case "createPod":
      await client.create(kinds.Pod, write.pod);
      return;
    case "createVmi":
      await client.create(kinds.VirtualMachineInstance, write.vmi);
      return;
    case "createMigration":
      await client.create(kinds.VirtualMachineInstanceMigration, write.migration);
      return;
    case "delete":
      await client.delete(write.kind, write.ref, { preconditions: { uid: write.uid } });
      return;
    case "event":
      await recordEvent(client, write, component);
  }
}

async function recordEvent(
  client: ApiClient,
  write: Write & { do: "event" },
  component: string,
): Promise<void> {
  const { about, type, reason, message } = write;
  const { name, namespace, uid } = about.metadata;
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  await client.create(kinds.Event, {
    metadata: { generateName: `${name}.`, namespace: namespace ?? "default" },
    involvedObject: {
      apiVersion: about.apiVersion,
      kind: about.kind,
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
    },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component },
  });
}
