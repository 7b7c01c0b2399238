import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { BgpError } from "./error.ts";

/** The file's text, undefined when there is none. */
export async function readConfig(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw failed("read", path, cause);
  }
}

/**
 * Writes beside `path` what may become `path`. `commit` puts it in place: a reader and a crash see the old text or the new one,
 * never a part. The file may hold passwords: only its owner reads it.
 */
export async function stageConfig(path: string, text: string) {
  const staged = `${path}.next`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(staged, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    await rm(staged, { force: true });
    throw failed("write", staged, cause);
  }
  return {
    path: staged,
    commit: () => rename(staged, path),
    discard: () => rm(staged, { force: true }),
  };
}

function failed(verb: string, path: string, cause: unknown): BgpError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new BgpError(
    "FileSystem",
    `cannot ${verb} BIRD's configuration ${path}: ${reason}; check space and rights of the directory`,
    { cause },
  );
}
