/**
 * Proves that what npm users get works: packs every package that was built, lints the tarballs, installs each into an empty
 * project that has only its declared dependencies, imports every export and asks every program for its help there, with
 * plain Node.js (it strips no types under `node_modules`).
 */
import { execFileSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { root } from "./steps.ts";

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly bin?: Readonly<Record<string, string>>;
}

/** A package as npm users have it, at `target`. */
interface Installed {
  readonly manifest: Manifest;
  readonly target: string;
}

const directory = mkdtempSync(join(tmpdir(), "fairlead-publishable-"));
try {
  const installed = packAll().map(({ tarball, source }) => install(tarball, source));
  const problems = (await Promise.all(installed.map(lint))).flat();
  problems.push(...installed.flatMap(start));
  for (const problem of problems) process.stderr.write(`fairlead: ${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
  else process.stdout.write(`${installed.length} packages can be published\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** One tarball for each package, as `pnpm publish` would send it. */
function packAll(): { tarball: string; source: string }[] {
  return globSync("packages/*", { cwd: root }).map((path) => {
    const source = join(root, path);
    const into = join(directory, path);
    execFileSync("pnpm", ["pack", "--silent", "--pack-destination", into], { cwd: source, stdio: "ignore" });
    return { tarball: join(into, readdirSync(into)[0]!), source };
  });
}

/** Unpacks a tarball beside links to its declared dependencies, and to nothing else. */
function install(tarball: string, source: string): Installed {
  const { name } = readManifest(source);
  const target = placeOf(name);
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", target, "--strip-components=1"]);
  const manifest = readManifest(target);
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    const link = join(projectOf(name), "node_modules", dependency);
    mkdirSync(dirname(link), { recursive: true });
    const own = dependency.startsWith("@fairlead/");
    symlinkSync(own ? placeOf(dependency) : join(source, "node_modules", dependency), link);
  }
  return { manifest, target };
}

/** Every package has a project of its own, so that it finds only what it declares. */
function projectOf(name: string): string {
  return join(directory, "projects", name);
}

function placeOf(name: string): string {
  return join(projectOf(name), "node_modules", name);
}

async function lint({ manifest, target }: Installed): Promise<string[]> {
  const { messages, pkg } = await publint({ pkgDir: target, pack: false, strict: true });
  return messages.map((message) => `${manifest.name}: ${formatMessage(message, pkg) ?? message.code}`);
}

/** Imports every export and starts every program. */
function start({ manifest: { name, exports, bin = {} }, target }: Installed): string[] {
  const imports = Object.keys(exports).map((path) => `await import("${join(name, path)}");`);
  const attempts: [what: string, argv: string[]][] = [
    ["an export", ["--input-type=module", "--eval", imports.join("\n")]],
    ...Object.entries(bin).map(([program, file]): [string, string[]] => [
      program,
      [join(target, file), "--help"],
    ]),
  ];
  return attempts.flatMap(([what, argv]) => {
    try {
      execFileSync(process.execPath, argv, { cwd: projectOf(name), stdio: ["ignore", "ignore", "pipe"] });
      return [];
    } catch (error) {
      return [`${name}: ${what} fails once installed: ${(error as Error).message}`];
    }
  });
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
}
