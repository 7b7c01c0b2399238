import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { remedies as api } from "../packages/api/src/error.ts";
import { createProgram } from "../packages/cli/src/program.ts";
import { cniErrorNumbers } from "../packages/cni/src/error.ts";
import { remedies as ipam } from "../packages/ipam/src/errors.ts";
import { remedies as kubevirt } from "../packages/kubevirt/src/identity-error.ts";
import { commandsOf, examplesOf, readDocument, readDocuments } from "./documents.ts";
import { placeExamples, runExample } from "./examples.ts";
import { root } from "./steps.ts";

const documents = readDocuments();
const examples = examplesOf(documents);
const placed = placeExamples(examples);
afterAll(() => placed[Symbol.dispose]());

describe("the examples in our documents", () => {
  it("are there", () => {
    expect(examples.length).toBeGreaterThan(8);
  });

  it("are accepted by the compiler", { timeout: 180_000 }, () => {
    const compilerOptions = {
      noUnusedLocals: false,
      noUnusedParameters: false,
      rewriteRelativeImportExtensions: false,
      allowImportingTsExtensions: true,
    };
    const files = [...placed.files.values()];
    const description = { extends: "../../tsconfig.json", compilerOptions, include: [], files };
    const project = join(root, "e2e", "out", `examples-${process.pid}.json`);
    writeFileSync(project, JSON.stringify(description));
    try {
      execFileSync(join(root, "node_modules", ".bin", "tsc"), ["-p", project], {
        cwd: root,
        encoding: "utf8",
      });
    } catch (error) {
      expect.fail((error as { stdout: string }).stdout);
    } finally {
      rmSync(project);
    }
  });

  const isRoot = process.getuid?.() === 0 && process.platform === "linux";
  for (const [example, file] of placed.files) {
    const can = example.needs === undefined || (example.needs === "root" && isRoot);
    it.runIf(can)(`${example.name} runs`, { timeout: 130_000 }, () => runExample(file));
  }
});

describe("our documents", () => {
  it("link to what is there", () => {
    const dead = documents.flatMap(({ path, links }) =>
      links.filter((link) => !existsSync(join(root, link))).map((link) => `${path}: ${link}`),
    );
    expect(dead).toEqual([]);
  });

  it.each(["npm run", "pnpm"])("name commands that %s knows", (program) => {
    const known = [...Object.keys(manifest.scripts), "changeset", "install", "exec"];
    const unknown = documents.flatMap((document) =>
      commandsOf(document, program)
        .filter((command) => !command.startsWith("--") && !known.includes(command.split(" ")[0]!))
        .map((command) => `${document.path}: ${program} ${command}`),
    );
    expect(unknown).toEqual([]);
  });

  it.each(["fairleadctl", "calicoctl"])("give %s only commands and flags it has", async (calledAs) => {
    const commands = documents.flatMap((document) => commandsOf(document, calledAs));
    expect(commands.length).toBeGreaterThan(0);
    const accepted = new Error("accepted");
    for (const command of commands) {
      const program = createProgram(calledAs, () => {
        throw accepted;
      });
      const outcome = await program
        .parseAsync(command.split(/\s+/), { from: "user" })
        .catch((error) => error);
      expect(outcome, command).toBe(accepted);
    }
  });
});

describe("the operator's guide", () => {
  const guide = readFileSync(join(root, "docs", "operations.md"), "utf8");

  it.each(Object.entries({ ipam, api, kubevirt }))(
    "gives the remedies of %s as its errors do",
    (_, remedies) => {
      for (const [code, remedy] of Object.entries(remedies))
        expect(guide).toContain(`| \`${code}\` | ${remedy} |`);
    },
  );

  it("shows the router configuration that the end-to-end suites use", () => {
    const files = join(root, "lab", "topologies", "three-workers-frr");
    const blocks = readDocument("", guide).blocks;
    const codeOf = (language: string) => blocks.find(({ words }) => words.includes(language))?.code;
    expect(codeOf("frr")).toBe(readFileSync(join(files, "frr.conf"), "utf8"));
    expect(readFileSync(join(files, "daemons"), "utf8")).toContain(codeOf("daemons"));
  });

  it("explains the number of every CNI error", () => {
    for (const [code, number] of Object.entries(cniErrorNumbers))
      expect(guide).toContain(`| ${number} | \`${code}\` |`);
  });

  it("knows every error code of the packages", () => {
    const sources = globSync("packages/*/src/{error,identity-error}.ts", { cwd: root });
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) {
      const [, union = ""] = /ErrorCode =([^;{]*);/.exec(readFileSync(join(root, source), "utf8")) ?? [];
      for (const [, code] of union.matchAll(/"(\w+)"/g)) expect(guide, source).toContain(`\`${code}\``);
    }
  });
});

describe("readDocument", () => {
  it("takes blocks, their needs and relative links", () => {
    const text = "See [it](../x.md#there), [not](https://example.org).\n\n```ts root\nf();\n```\n";
    const document = readDocument("docs/y.md", text);
    expect(document.links).toEqual(["x.md"]);
    expect(document.blocks).toEqual([{ words: ["ts", "root"], code: "f();\n", line: 4 }]);
    expect(examplesOf([document])[0]).toMatchObject({ name: "docs/y.md:4", needs: "root", workspace: "e2e" });
  });

  it("joins continued commands and drops remarks", () => {
    const text = "```sh\nctl a && ctl b \\\n  --c  # why\n```\n";
    expect(commandsOf(readDocument("r.md", text), "ctl")).toEqual(["a", "b --c"]);
  });
});
