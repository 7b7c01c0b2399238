import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client, eventually, pod, type Subject } from "./target.ts";

const program = process.env.FAIRLEAD_KUBECTL ?? "kubectl";
const present = spawnSync(program, ["version", "--client"]).status === 0;

/** kubectl's daily commands. Skipped where there is no kubectl; FAIRLEAD_KUBECTL names another one. */
export function kubectlCases(subject: Subject): void {
  describe.skipIf(!present)(`kubectl (${program})`, { timeout: 60_000 }, () => {
    let directory: string;
    let namespace: string;
    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "fairlead-kubectl-"));
      writeFileSync(join(directory, "config"), subject().kubeconfig, { mode: 0o600 });
      namespace = await new Client(subject().admin).namespace();
    });
    afterAll(() => rmSync(directory, { recursive: true }));

    type Environment = { readonly [name: string]: string };
    const run = (
      args: readonly string[],
      input = "",
      environment: Environment = {},
    ): Promise<{ code: number; out: string; err: string }> =>
      new Promise((resolve) => {
        const where = ["--kubeconfig", join(directory, "config"), "--cache-dir", join(directory, "cache")];
        const child = execFile(
          program,
          [...where, "-n", namespace, ...args],
          { timeout: 30_000, env: { ...process.env, ...environment } },
          (error, out, err) => resolve({ code: error ? Number(error.code ?? 1) : 0, out, err }),
        );
        child.stdin?.end(input);
      });
    const ok = async (
      args: readonly string[],
      input = "",
      environment: Environment = {},
    ): Promise<string> => {
      const { code, out, err } = await run(args, input, environment);
      expect(code, `kubectl ${args.join(" ")}: ${err}`).toBe(0);
      return out;
    };

    test("creates, shows, labels, patches and deletes", async () => {
      await ok(["create", "configmap", "a", "--from-literal=x=1"]);
      expect(await ok(["get", "configmap", "a"])).toMatch(/^NAME +DATA +AGE\na +1 +\d+s\n$/);
      await ok(["label", "configmap", "a", "l=1"]);
      await ok(["annotate", "configmap", "a", "n=1"]);
      await ok(["patch", "configmap", "a", "--type=merge", "-p", '{"data":{"y":"2"}}']);
      await ok(["patch", "configmap", "a", "--type=json", "-p", '[{"op":"remove","path":"/data/x"}]']);
      expect(await ok(["get", "cm", "-l", "l=1", "-o", "jsonpath={.items[*].data}"])).toBe('{"y":"2"}');
      expect(await ok(["delete", "configmap", "a"])).toContain("deleted");
      expect((await run(["get", "configmap", "a"])).err).toContain('configmaps "a" not found');
    });

    test("applies, again and changed, on its side and on the server's", async () => {
      const manifest = (image: string) =>
        JSON.stringify({
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: { name: "d" },
          spec: {
            replicas: 0,
            selector: { matchLabels: { app: "d" } },
            template: {
              metadata: { labels: { app: "d" } },
              spec: { containers: [{ name: "c", image }] },
            },
          },
        });
      expect(await ok(["apply", "-f", "-"], manifest("i:1"))).toContain("created");
      expect(await ok(["apply", "-f", "-"], manifest("i:1"))).toContain("unchanged");
      expect(await ok(["apply", "-f", "-"], manifest("i:2"))).toContain("configured");
      expect(await ok(["apply", "--server-side", "--force-conflicts", "-f", "-"], manifest("i:3"))).toContain(
        "serverside-applied",
      );
      expect(await ok(["get", "deployment", "d", "-o", "jsonpath={..image}"])).toBe("i:3");
    });

    test("scales, waits, and rolls out a deployment", async () => {
      await ok(["create", "deployment", "s", "--image=i:1"]);
      await ok(["scale", "deployment", "s", "--replicas=0"]);
      expect(await ok(["rollout", "status", "deployment", "s", "--timeout=20s"])).toContain(
        "successfully rolled out",
      );
      await ok(["rollout", "restart", "deployment", "s"]);
      await ok(["wait", "--for=condition=Available", "deployment/s", "--timeout=20s"]);
    });

    test("takes a deployment back to the template it had before", async () => {
      const image = ["get", "deployment", "u", "-o", "jsonpath={.spec.template.spec.containers[0].image}"];
      await ok(["create", "deployment", "u", "--image=i:1", "--replicas=0"]);
      await ok(["rollout", "status", "deployment", "u", "--timeout=20s"]);
      await ok(["set", "image", "deployment", "u", "*=i:2"]);
      await ok(["rollout", "status", "deployment", "u", "--timeout=20s"]);
      expect(await ok(["rollout", "history", "deployment", "u"])).toMatch(/\n1 .*\n2 /);
      await ok(["rollout", "undo", "deployment", "u"]);
      await ok(["rollout", "status", "deployment", "u", "--timeout=20s"]);
      expect(await ok(image)).toBe("i:1");
      const numbered = [
        "get",
        "deployment",
        "u",
        "-o",
        "jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}",
      ];
      await eventually(async () => ((await ok(numbered)) === "3" ? true : undefined));
      await ok(["rollout", "undo", "deployment", "u", "--to-revision=2"]);
      expect(await ok(image)).toBe("i:2");
    });

    test("edits, with the editor's changes and nothing else", async () => {
      await ok(["create", "configmap", "e", "--from-literal=x=before", "--from-literal=y=stays"]);
      const editing = { KUBE_EDITOR: "sed -i s/before/after/" };
      expect(await ok(["edit", "configmap", "e"], "", editing)).toContain("configmap/e edited");
      expect(await ok(["get", "cm", "e", "-o", "jsonpath={.data}"])).toBe('{"x":"after","y":"stays"}');
      const untouched = { KUBE_EDITOR: "true" };
      expect((await run(["edit", "configmap", "e"], "", untouched)).err).toContain("Edit cancelled");
    });

    test("is told where the output of a pod is to be found", async ({ skip }) => {
      // Only our own server lets a test compact it.
      if (!subject().compact) skip("a real server has logs, if it has kubelets");
      const path = `/api/v1/namespaces/${namespace}/pods`;
      await new Client(subject().admin).post(path, pod("silent", { schedulerName: "nobody" }));
      const logs = await run(["logs", "silent"]);
      expect(logs.code).not.toBe(0);
      expect(logs.err).toContain("the lab's API server has no log");
      const exec = await run(["exec", "silent", "--", "true"]);
      expect(exec.code).not.toBe(0);
      expect(exec.err).toContain("the lab's API server has no exec");
      const missing = await run(["logs", "missing"]);
      expect(missing.err).toContain('pods "missing" not found');
      await ok(["delete", "pod", "silent", "--wait"]);
    });

    test("describes and explains", async () => {
      await new Client(subject().admin).post(
        `/api/v1/namespaces/${namespace}/pods`,
        pod("p", { schedulerName: "nobody" }),
      );
      expect(await ok(["get", "pod", "p", "-o", "wide"])).toMatch(
        /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE/,
      );
      expect(await ok(["describe", "pod", "p"])).toContain("example.org/main:1");
      expect(await ok(["explain", "pod.spec.containers.image"])).toContain("Container image name");
      await ok(["delete", "pod", "p", "--wait"]);
    });

    test("knows what is served and what is allowed", async () => {
      expect(await ok(["api-resources"])).toMatch(/deployments +deploy +apps\/v1 +true +Deployment/);
      expect(await ok(["api-versions"])).toContain("rbac.authorization.k8s.io/v1");
      expect((await ok(["auth", "can-i", "delete", "nodes"])).trim()).toBe("yes");
      expect((await run(["auth", "can-i", "delete", "nodes", "--as=nobody"])).out.trim()).toBe("no");
    });
  });
}
