import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { messageOf } from "../../error.ts";
import { CniRuntimeError } from "./error.ts";
import { chooseVersion, supportedVersions } from "./version.ts";

/** One plug-in's configuration, as written, unknown keys included. */
export type PluginConfig = { readonly type: string } & Readonly<Record<string, unknown>>;

export interface NetworkList {
  readonly name: string;
  /** The version spoken to every plug-in of the list. */
  readonly cniVersion: string;
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly plugins: readonly PluginConfig[];
  /** The file's own text, kept in the results cache so that DEL works after the file has changed. */
  readonly text: string;
}

const truth = z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]);
const list = z.looseObject({
  name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, "must consist of letters, digits, '_', '.' and '-'"),
  cniVersion: z.string().optional(),
  cniVersions: z.array(z.string()).optional(),
  disableCheck: truth.optional(),
  disableGC: truth.optional(),
  // A plug-in is a program in the plug-in directory: a name, never a path.
  plugins: z
    .array(
      z.looseObject({
        type: z
          .string()
          .regex(/^[^/\\\0]+$/)
          .refine((t) => t !== "." && t !== ".."),
      }),
    )
    .min(1),
});

/** Reads a network configuration list. @throws CniRuntimeError `Config` naming the field */
export function parseNetworkList(text: string, origin: string): NetworkList {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new CniRuntimeError("Config", `${origin}: ${messageOf(cause)}`, { cause });
  }
  const read = list.safeParse(document);
  if (!read.success) {
    const issues = read.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new CniRuntimeError("Config", `${origin}: ${issues.join("; ")}`);
  }
  const cniVersion = chooseVersion(read.data.cniVersion, read.data.cniVersions);
  if (cniVersion === undefined)
    throw new CniRuntimeError(
      "Config",
      `${origin}: cniVersion must be one of ${supportedVersions.join(", ")}`,
    );
  const { name, disableCheck = false, disableGC = false, plugins } = read.data;
  return { name, cniVersion, disableCheck, disableGC, plugins, text };
}

/** The first usable list of a directory in order of file names, as the container runtimes choose it. Undefined when there is none. */
export async function findNetworkList(directory: string): Promise<NetworkList | undefined> {
  const files = await readdir(directory).catch(() => []);
  const first = files.filter((name) => name.endsWith(".conflist")).sort()[0];
  if (first === undefined) return undefined;
  const path = join(directory, first);
  return parseNetworkList(await readFile(path, "utf8"), path);
}
