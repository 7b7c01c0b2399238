/** What the repository's Markdown files claim, in a form that tests can hold against the code. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./steps.ts";

/** A fenced block. `words` is its info string: the language, then what it needs. */
export interface Block {
  readonly words: readonly string[];
  readonly code: string;
  /** Line of its first line of code, from 1. */
  readonly line: number;
}

/** One Markdown file. `path` is relative to the root. */
export interface Document {
  readonly path: string;
  readonly blocks: readonly Block[];
  /** Relative targets of links, as paths from the root. */
  readonly links: readonly string[];
}

/**
 * An example in TypeScript. After `ts` the info string may say what it needs to run: `root` (and Linux), `cluster` (run
 * by the end-to-end suite), or something else (only compiled); without that it runs anywhere. `"./x.ts"` in it means a file beside the document.
 */
export interface Example {
  readonly name: string;
  readonly needs: string | undefined;
  readonly code: string;
  /** The workspace whose dependencies it may import. */
  readonly workspace: string;
}

/** Every document of the project. */
export function readDocuments(): Document[] {
  const patterns = ["*.md", "{docs,deploy,lab}/**/*.md", "packages/*/*.md"];
  return globSync(patterns, { cwd: root, exclude: ["**/node_modules", "**/out", "**/dist"] })
    .sort()
    .map((path) => readDocument(path, readFileSync(join(root, path), "utf8")));
}

/** Takes a Markdown text apart. */
export function readDocument(path: string, text: string): Document {
  const blocks: Block[] = [];
  let prose = "";
  let open: { words: string[]; line: number; code: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^\s*```(.*)$/.exec(line)?.[1];
    if (open && fence !== undefined) {
      blocks.push({ words: open.words, line: open.line, code: `${open.code.join("\n")}\n` });
      open = undefined;
    } else if (fence !== undefined)
      open = { words: fence.split(" ").filter(Boolean), line: index + 2, code: [] };
    else if (open) open.code.push(line);
    else prose += `${line}\n`;
  }
  const links = [...prose.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => join(dirname(path), target));
  return { path, blocks, links };
}

/** The examples in TypeScript of all documents. */
export function examplesOf(documents: readonly Document[]): Example[] {
  return documents.flatMap(({ path, blocks }) =>
    blocks
      .filter(({ words }) => words[0] === "ts")
      .map(({ words, code, line }) => ({
        name: `${path}:${line}`,
        needs: words[1],
        code: code.replaceAll('"./', `"${join(root, dirname(path))}/`),
        workspace: /^(packages\/\w+|lab)\//.exec(path)?.[1] ?? "e2e",
      })),
  );
}

/** The shell commands of a document that start with `program`, continued lines joined, without the program's name. */
export function commandsOf({ blocks }: Document, program: string): string[] {
  return blocks
    .filter(({ words }) => words[0] === undefined || words[0] === "sh")
    .flatMap(({ code }) => code.replaceAll(/\\\n\s*/g, "").split("\n"))
    .flatMap((line) => line.replace(/\s+#.*$/, "").split(/ && | \| /))
    .map((command) => command.trim())
    .filter((command) => command.startsWith(`${program} `))
    .map((command) => command.slice(program.length + 1));
}
