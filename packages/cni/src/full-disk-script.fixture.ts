/** Runs in a mount namespace of its own: notes on a disk of one page, first full, then read-only, then well. Prints what there was. */
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createStateFiles } from "./state-files.ts";

const directory = process.argv[2]!;
const mount = (...options: string[]) => execFileSync("mount", [...options, directory], { stdio: "inherit" });
const codes: unknown[] = [];

mount("-t", "tmpfs", "-o", "size=8k", "none");
const files = createStateFiles({ report: (_, error) => codes.push((error as NodeJS.ErrnoException).code) });
const at = (name: string) => join(directory, name);

files.write(at("kept"), "before");
writeFileSync(at("filling"), "x".repeat(4096));
files.write(at("kept"), "after");
files.write(at("new"), "new");
const whileFull = [files.read(at("kept")), files.read(at("new")), readdirSync(directory).sort()];
rmSync(at("filling"));
mount("-o", "remount,ro,size=64k");
files.remove(at("kept"));
files.retry();
const whileReadOnly = [files.read(at("kept")), readdirSync(directory).sort()];
mount("-o", "remount,rw");
files.retry();
const whenWell = [files.owed(), readdirSync(directory).sort()];
console.log(JSON.stringify({ codes, whileFull, whileReadOnly, whenWell }));
