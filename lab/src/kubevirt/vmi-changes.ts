import { type ApiClient, kinds, type VirtualMachineInstance } from "@fairlead/api";

/** What a migration changes in a VMI. */
const read = ({ metadata, status }: VirtualMachineInstance) => {
  const state = status?.migrationState;
  return {
    migrationUid: state?.migrationUid,
    targetNodeAddress: state?.targetNodeAddress,
    startTimestamp: state?.startTimestamp,
    targetNodeDomainDetected: state?.targetNodeDomainDetected,
    postCopy: state?.mode === "PostCopy",
    targetNodeDomainReadyTimestamp: state?.targetNodeDomainReadyTimestamp,
    endTimestamp: state?.endTimestamp,
    completed: state?.completed,
    failed: state?.failed,
    nodeName: status?.nodeName,
    label: metadata.labels?.["kubevirt.io/nodeName"],
    noAddress: status?.phase === "Running" && status.interfaces?.[0]?.ipAddress === undefined,
    phaseFailed: status?.phase === "Failed",
  };
};

/** Notes which of these came true or changed together, write by write, until stopped. */
export function watchVmi(client: ApiClient): { stop(): Promise<string[]> } {
  const steps: string[] = [];
  const over = new AbortController();
  let before: ReturnType<typeof read> | undefined;
  const watching = (async () => {
    const watch = client.watch(kinds.VirtualMachineInstance, { namespace: "default", signal: over.signal });
    for await (const event of watch) {
      if (event.type === "BOOKMARK") continue;
      const now = read(event.object);
      const fields = Object.keys(now) as (keyof typeof now)[];
      const changed = before ? fields.filter((field) => now[field] && now[field] !== before?.[field]) : [];
      before = now;
      if (changed.length > 0) steps.push(changed.join(" "));
    }
  })();
  return {
    stop: async () => {
      over.abort();
      await watching.catch(() => {});
      return steps;
    },
  };
}
