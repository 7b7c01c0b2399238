import { ApiError } from "../error.ts";

type Tree = Record<string, unknown> | unknown[];

/** RFC 6901: the steps of `/spec/calicoNetwork/ipPools/0/natOutgoing`. */
export function parsePointer(pointer: string): string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) throw invalid(`"${pointer}" is not a JSON pointer`);
  return pointer
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function getAt(root: unknown, steps: readonly string[]): unknown {
  let node = root;
  for (const step of steps) node = child(node, step);
  return node;
}

/** Adds at a position (RFC 6902 `add`): arrays shift, `-` appends. `replace` overwrites what must exist. */
export function setAt(
  root: unknown,
  steps: readonly string[],
  value: unknown,
  mode: "add" | "replace",
): unknown {
  const last = steps.at(-1);
  if (last === undefined) return value;
  const parent = container(root, steps);
  if (Array.isArray(parent)) {
    const index =
      last === "-" && mode === "add"
        ? parent.length
        : position(last, parent.length + (mode === "add" ? 1 : 0));
    parent.splice(index, mode === "add" ? 0 : 1, value);
  } else {
    if (mode === "replace" && !Object.hasOwn(parent, last)) throw missing(last);
    parent[last] = value;
  }
  return root;
}

export function removeAt(root: unknown, steps: readonly string[]): void {
  const parent = container(root, steps);
  const last = steps.at(-1) ?? "";
  if (Array.isArray(parent)) parent.splice(position(last, parent.length), 1);
  else {
    if (!Object.hasOwn(parent, last)) throw missing(last);
    delete parent[last];
  }
}

function container(root: unknown, steps: readonly string[]): Tree {
  const parent = getAt(root, steps.slice(0, -1));
  if (typeof parent !== "object" || parent === null || steps.at(-1) === "__proto__")
    throw missing(steps.slice(0, -1).join("/"));
  return parent as Tree;
}

function child(node: unknown, step: string): unknown {
  if (Array.isArray(node)) return node[position(step, node.length)];
  if (typeof node === "object" && node !== null && Object.hasOwn(node, step))
    return (node as Record<string, unknown>)[step];
  throw missing(step);
}

function position(step: string, length: number): number {
  const index = /^(0|[1-9]\d*)$/.test(step) ? Number(step) : Number.NaN;
  if (!(index < length)) throw missing(step);
  return index;
}

const invalid = (message: string) => new ApiError("Invalid", `json patch: ${message}`);
const missing = (step: string) => invalid(`there is nothing at "${step}"`);
