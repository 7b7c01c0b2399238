/** Starts probes on the external client and in pods, and collects what they saw. */
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ApiClient, getIfPresent, kinds } from "@fairlead/api";
import type { NodeStatus } from "../control/protocol.ts";
import { promptly } from "../precedence.ts";
import type { ProbePlan, Recording } from "../probe/recording.ts";
import { pathOn, spawnOn, waitFor } from "./machines.ts";
import type { RunningVm } from "./virtual-machine.ts";

const program = join(import.meta.dirname, "..", "probe", "main.ts");
const namespace = "default";

/** Probes under way somewhere. */
export interface ProbeRun extends AsyncDisposable {
  /** Ends the probes and returns what they saw, one recording per plan. */
  stop(): Promise<readonly Recording[]>;
}

/** The probes of one vantage point: UDP (at 1 kHz unless told otherwise) and a TCP stream each way, over both families. */
export function planProbes(vantage: ProbePlan["vantage"], vm: RunningVm, udpIntervalMs = 1): ProbePlan[] {
  const families = [
    { family: 4, address: vm.ipv4 },
    { family: 6, address: vm.ipv6 },
  ] as const;
  return families.flatMap(({ family, address }) => {
    const common = { vantage, family, address };
    return [
      {
        ...common,
        name: `${vantage} udp ipv${family}`,
        kind: "udp-echo",
        port: 7,
        intervalMs: udpIntervalMs,
      },
      {
        ...common,
        name: `${vantage} tcp from vm ipv${family}`,
        kind: "tcp-from-guest",
        port: 9,
        intervalMs: 10,
      },
      { ...common, name: `${vantage} tcp to vm ipv${family}`, kind: "tcp-to-guest", port: 7, intervalMs: 10 },
    ] as const;
  });
}

/** Datagrams alone, over both families, to whatever answers at port 7. */
export function planDatagrams(
  vantage: ProbePlan["vantage"],
  { node, ipv4, ipv6 }: RunningVm,
  intervalMs: number,
): ProbePlan[] {
  const families = [
    { family: 4, address: ipv4 },
    { family: 6, address: ipv6 },
  ] as const;
  return families.map(({ family, address }) => ({
    name: `${vantage} to ${node} ipv${family}`,
    kind: "udp-echo",
    port: 7,
    vantage,
    family,
    address,
    intervalMs,
  }));
}

/** Runs probes as a process of a machine. */
export async function probeFromMachine(machine: NodeStatus, plans: readonly ProbePlan[]): Promise<ProbeRun> {
  const files = writePlans(machine, plans);
  const child = spawnOn(machine, [
    process.execPath,
    program,
    "--plans",
    files.plans,
    "--output",
    files.output,
  ]);
  const exit = once(child, "exit");
  const end = async () => {
    child.kill("SIGTERM");
    await exit;
  };
  try {
    await untilAnswered(machine, files.output, machine.name);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    async stop() {
      await end();
      return readRecordings(machine, files.output);
    },
    [Symbol.asyncDispose]: end,
  };
}

/** Runs probes in a pod on a node. */
export async function probeFromPod(
  client: ApiClient,
  node: NodeStatus,
  plans: readonly ProbePlan[],
): Promise<ProbeRun> {
  const files = writePlans(node, plans);
  const name = `probe-${node.name}`;
  await client.create(kinds.Pod, {
    metadata: { name, namespace, labels: { app: "probe" } },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node.name },
      restartPolicy: "Never",
      containers: [
        {
          name: "probe",
          image: "probe",
          command: [
            ...promptly(),
            process.execPath,
            program,
            "--plans",
            files.plans,
            "--output",
            files.output,
          ],
        },
      ],
    },
  });
  const end = async () => {
    if ((await getIfPresent(client, kinds.Pod, { namespace, name })) === undefined) return;
    await client.delete(kinds.Pod, { namespace, name });
    await waitFor(`end of pod ${name}`, 60, async () => {
      const pod = await getIfPresent(client, kinds.Pod, { namespace, name });
      return pod === undefined ? true : undefined;
    });
  };
  await untilAnswered(node, files.output, `pod ${name}`);
  return {
    async stop() {
      await end();
      return readRecordings(node, files.output);
    },
    [Symbol.asyncDispose]: end,
  };
}

/** A machine's /run belongs to it alone and is shared with its pods. */
function writePlans(machine: NodeStatus, plans: readonly ProbePlan[]): { plans: string; output: string } {
  const stem = `/run/probe-${process.hrtime.bigint()}`;
  writeFileSync(pathOn(machine, `${stem}.plans`), JSON.stringify(plans));
  return { plans: `${stem}.plans`, output: `${stem}.seen` };
}

async function untilAnswered(machine: NodeStatus, output: string, who: string): Promise<void> {
  await waitFor(`an answer from the VM to every probe of ${who}`, 60, () =>
    existsSync(pathOn(machine, `${output}.ready`)) ? true : undefined,
  );
}

function readRecordings(machine: NodeStatus, output: string): readonly Recording[] {
  return JSON.parse(readFileSync(pathOn(machine, output), "utf8"));
}
