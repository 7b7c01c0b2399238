/**
 * The way in: `npm run demo`, `npm test`, `npm run lab -- up`, ...
 *
 * Runs on whatever Node.js started it (20 or newer), brings what is missing (Node.js 24 and pnpm from the npm registry,
 * system packages from Debian), then hands over to the real program. When nothing is missing it only compares two
 * fingerprints, so a second run starts at once.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspectSystem, planInstallation, refuseWithoutRights } from "./bootstrap/requirements.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bootstrap = join(root, "scripts", "bootstrap");
const bin = join(bootstrap, "node_modules", ".bin");

/** What each command runs once everything is in place, and what it may need from the system. */
const programs = {
  demo: { file: "lab/src/demo/main.ts", rights: "namespaces" },
  lab: { file: "lab/src/cli.ts", rights: "namespaces" },
  bench: { file: "scripts/bench.ts", rights: "root" },
  test: { file: "scripts/test.ts", rights: "root" },
  check: { file: "scripts/check.ts", rights: "none" },
  build: { file: "scripts/build.ts", rights: "none" },
};

const [command, ...args] = process.argv.slice(2);
const program = programs[command];
if (!program) fail(`unknown command ${command ?? "(none)"}; there are: ${Object.keys(programs).join(", ")}`);

const system = inspectSystem();
const plan = planInstallation(program.rights === "none" ? { ...system, missing: [] } : system);
const refusal = plan.refusal ?? refuseWithoutRights(program.rights, system);
if (refusal) fail(refusal);
once("the tools (Node.js 24, pnpm)", bootstrap, ["package-lock.json"], () => {
  run(
    "npm",
    ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
    bootstrap,
  );
  // The one install script we want: it puts pnpm's own program in place of its shell placeholder.
  run(process.execPath, ["install.js"], join(bootstrap, "node_modules", "pnpm"));
});
if (plan.install.length > 0) installSystemPackages(plan.install);
once("the workspace's packages", root, ["pnpm-lock.yaml", "pnpm-workspace.yaml"], () =>
  run("pnpm", ["install", "--frozen-lockfile", "--reporter=append-only"], root),
);

const child = spawn(join(bin, "node"), [join(root, program.file), ...args], {
  stdio: "inherit",
  env: environment(),
  cwd: process.env.INIT_CWD ?? process.cwd(),
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));

/** Runs `install` unless the files that decide it are those of the last time. */
function once(what, directory, files, install) {
  const stamp = join(directory, "node_modules", ".fairlead-stamp");
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(join(directory, file)));
  const fingerprint = `${hash.digest("hex")} ${process.arch}\n`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint) return;
  process.stderr.write(`fairlead: installing ${what} ...\n`);
  install();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, fingerprint);
}

function installSystemPackages(packages) {
  process.stderr.write(`fairlead: installing Debian packages ${packages.join(" ")} ...\n`);
  // RUNLEVEL=1 keeps Debian's maintainer scripts from starting services (bird) on the host.
  const env = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  run("apt-get", ["-q", "-y", "update"], root, env);
  run("apt-get", ["-q", "-y", "install", "--no-install-recommends", ...packages], root, env);
}

function environment(extra = {}) {
  const path = [bin, join(root, "node_modules", ".bin"), process.env.PATH, "/usr/sbin", "/sbin"].join(":");
  return {
    ...process.env,
    ...extra,
    PATH: path,
    TURBO_TELEMETRY_DISABLED: "1",
    npm_config_nodedir: undefined,
  };
}

function run(name, argv, cwd, env) {
  const result = spawnSync(name, argv, { cwd, env: environment(env), stdio: ["ignore", 2, 2] });
  if (result.error) fail(`${name} could not be started: ${result.error.message}`);
  if (result.status !== 0) fail(`${name} ${argv.join(" ")} ended with status ${result.status}; see above.`);
}

function fail(message) {
  process.stderr.write(`fairlead: ${message}\n`);
  process.exit(1);
}
