import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { networkProblem } from "./kubelet.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "kubelet-net-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const network = (answer: () => Promise<void>) => ({ status: answer });

it("a node without a network configuration is not ready, in the words of containerd and the kubelet", async () => {
  const problem = await networkProblem(
    network(async () => {}),
    directory,
  );
  expect(problem).toBe(
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady " +
      "message:Network plugin returns error: cni plugin not initialized",
  );
});

it("a node is ready as long as every plug-in answers STATUS, and not ready for the reason it gives", async () => {
  const list = { name: "n", cniVersion: "1.1.0", plugins: [{ type: "calico" }] };
  writeFileSync(join(directory, "10-n.conflist"), JSON.stringify(list));
  const asked: unknown[] = [];
  const answers = { status: async (one: unknown) => void asked.push(one) };
  expect(await networkProblem(answers, directory)).toBeUndefined();
  expect(asked).toMatchObject([{ name: "n" }]);
  const problem = await networkProblem(
    network(() => Promise.reject(new Error("the agent does not run"))),
    directory,
  );
  expect(problem).toMatch(/^container runtime network not ready: .*: the agent does not run$/);
});
