import { closeSync, existsSync, openSync, readFileSync, renameSync, truncateSync, writeSync } from "node:fs";
import { isObject, type Json, parseJson } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { Change } from "./change.ts";

/** One line of the log: an object as it became, or its last state when it was removed. */
export interface LogRecord {
  readonly version: number;
  readonly collection: string;
  readonly key: string;
  readonly object: KubeObject;
  readonly removed: boolean;
}

/**
 * The write-ahead log, a file of JSON lines. A change is written before any client hears of it, so it survives a kill
 * of the process; it is not synced to the disk, so it may not survive a power failure.
 */
export class WriteAheadLog {
  #file: number | undefined;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads what is there; a half-written last line (the process was killed in the middle) is dropped. */
  read(): { compacted: number; records: LogRecord[]; bytes: number } {
    if (!existsSync(this.#path)) return { compacted: 0, records: [], bytes: 0 };
    const text = readFileSync(this.#path, "utf8");
    const end = text.lastIndexOf("\n") + 1;
    truncateSync(this.#path, Buffer.byteLength(text.slice(0, end)));
    let compacted = 0;
    const records: LogRecord[] = [];
    for (const line of text.slice(0, end).split("\n")) {
      if (line === "") continue;
      const value: Json = parseJson(line);
      if (!isObject(value)) continue;
      if (typeof value.compacted === "number") compacted = value.compacted;
      else
        records.push({
          version: value.v as number,
          collection: value.c as string,
          key: value.k as string,
          object: (value.o ?? value.d) as KubeObject,
          removed: value.o === undefined,
        });
    }
    return { compacted, records, bytes: end };
  }

  /** Replaces the file by one that holds only these records. */
  rewrite(compacted: number, lines: Iterable<string>): void {
    this.close();
    const next = `${this.#path}.next`;
    const file = openSync(next, "w", 0o600);
    writeAll(file, `{"compacted":${compacted}}\n`);
    for (const line of lines) writeAll(file, line);
    closeSync(file);
    renameSync(next, this.#path);
  }

  append(collection: string, change: Pick<Change, "type" | "current">): void {
    this.#file ??= openSync(this.#path, "a", 0o600);
    writeAll(this.#file, logLine(collection, change));
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

export function logLine(collection: string, change: Pick<Change, "type" | "current">): string {
  const { version, key } = change.current;
  const field = change.type === "DELETED" ? "d" : "o";
  return `{"v":${version},"c":${JSON.stringify(collection)},"k":${JSON.stringify(key)},"${field}":${change.current.text()}}\n`;
}

function writeAll(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}
