import { kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { createIpam, createKubernetesStore } from "@fairlead/ipam";
import { beforeEach, expect, it } from "vitest";
import { createProgram } from "./program.ts";

let cluster: FakeCluster;

function putPod(name: string, ...ips: string[]): void {
  cluster.put(kinds.Pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: name } },
    spec: { nodeName: "n", containers: [{ name: "main" }] },
    status: { phase: "Running", podIPs: ips.map((ip) => ({ ip })) },
  });
}

beforeEach(() => {
  cluster = new FakeCluster();
  cluster.put(kinds.Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  putPod("web", "10.244.0.1", "fd00::1");
  putPod("db", "10.244.0.2", "fd00::2");
});

async function run(...args: string[]): Promise<string> {
  let output = "";
  const client = cluster.client();
  const program = createProgram("fairleadctl", () => ({
    client,
    ipam: createIpam({ store: createKubernetesStore({ client }), settingsMaxAgeMs: 0 }),
    print(text) {
      output += text;
    },
    readFile: () => "",
    writeFile() {},
    version: "0.0.0",
    runDir: "/nowhere",
  }));
  for (const command of program.commands)
    for (const sub of command.commands) sub.configureOutput({ writeErr() {} });
  await program.parseAsync(["policy", "explain", ...args], { from: "user" });
  return output;
}

it("allows what no policy selects, in both families", async () => {
  const text = await run("--from=web", "--to=default/db", "--port=5432");
  expect(text).toContain("10.244.0.1 -> 10.244.0.2: allowed");
  expect(text).toContain("fd00::1 -> fd00::2: allowed");
});

it("names what denies, and only for the port that is closed", async () => {
  cluster.put(kinds.KubernetesNetworkPolicy, {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "only-5432", namespace: "default" },
    spec: {
      podSelector: { matchLabels: { app: "db" } },
      ingress: [{ ports: [{ protocol: "TCP", port: 5432 }] }],
    },
  });
  const verdicts = async (port: number) =>
    JSON.parse(await run("--from=web", "--to=db", `--port=${port}`, "--json")).map(
      (one: { egress: { verdict: string }; ingress: { verdict: string } }) => [
        one.egress.verdict,
        one.ingress.verdict,
      ],
    );
  expect(await verdicts(5432)).toEqual([
    ["allow", "allow"],
    ["allow", "allow"],
  ]);
  expect(await verdicts(22)).toEqual([
    ["allow", "deny"],
    ["allow", "deny"],
  ]);
  expect(await run("--from=web", "--to=db", "--port=5432")).toContain("only-5432");
});

it.each([
  [["--from=web", "--to=nobody", "--port=1"], /nobody/],
  [["--from=a/b/c", "--to=db", "--port=1"], /namespace\/name/],
  [["--from=web", "--to=db", "--port=0"], /1 to 65535/],
  [["--from=web", "--to=db", "--port=1", "--protocol=icmp"], /tcp, udp, sctp/],
])("%j is refused: %s", async (args, message) => expect(run(...args)).rejects.toThrow(message));
