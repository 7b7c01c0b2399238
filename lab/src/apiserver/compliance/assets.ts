import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { servingCertificate } from "../auth/certificates.ts";
import { kubeconfig } from "../auth/kubeconfig.ts";
import { Connection } from "../connection.ts";
import { eventually } from "./target.ts";

/** A real control plane without controllers, of a test's own. */
export interface ControlPlane {
  /** Of a member of system:masters, YAML. */
  readonly kubeconfig: string;
  /** Ends both programs and removes what they wrote. */
  stop(): Promise<void>;
}

const host = "127.0.0.1";

/**
 * Starts `etcd` and `kube-apiserver` from a directory as setup-envtest makes it (KUBEBUILDER_ASSETS). Everything they write
 * goes into a directory of their own under the system's temporary one. Rejects with what a program said if it ends early.
 */
export async function startFromAssets(assets: string, timeoutMs = 60_000): Promise<ControlPlane> {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-control-plane-"));
  const programs: Program[] = [];
  const stop = async (): Promise<void> => {
    for (const program of programs.reverse()) await program.end();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
    const etcd = `http://${host}:${client}`;
    programs.push(
      new Program(join(assets, "etcd"), etcdArguments(directory, etcd, `http://${host}:${peer}`)),
    );
    const { caPem, token } = writeCredentials(directory);
    programs.push(new Program(join(assets, "kube-apiserver"), serverArguments(directory, etcd, port)));
    const config = kubeconfig({ url: `https://${host}:${port}`, caPem, token, user: "admin" });
    await ready(config, programs, timeoutMs);
    return { kubeconfig: config, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const etcdArguments = (directory: string, client: string, peer: string): string[] => [
  `--data-dir=${join(directory, "etcd")}`,
  `--listen-client-urls=${client}`,
  `--advertise-client-urls=${client}`,
  `--listen-peer-urls=${peer}`,
  "--unsafe-no-fsync=true",
];

const serverArguments = (directory: string, etcd: string, port: number): string[] => [
  `--etcd-servers=${etcd}`,
  `--bind-address=${host}`,
  `--advertise-address=${host}`,
  `--secure-port=${port}`,
  `--cert-dir=${directory}`,
  `--tls-cert-file=${join(directory, "serving.crt")}`,
  `--tls-private-key-file=${join(directory, "serving.key")}`,
  `--token-auth-file=${join(directory, "tokens.csv")}`,
  "--authorization-mode=RBAC",
  "--service-account-issuer=https://kubernetes.default.svc",
  `--service-account-signing-key-file=${join(directory, "accounts.key")}`,
  `--service-account-key-file=${join(directory, "accounts.pub")}`,
  "--service-cluster-ip-range=10.0.0.0/24",
  "--allow-privileged=true",
  // Pods need no token here, and would wait for a controller to make one.
  "--disable-admission-plugins=ServiceAccount",
];

function writeCredentials(directory: string): { caPem: string; token: string } {
  const token = randomBytes(24).toString("hex");
  const serving = servingCertificate([host, "localhost"], undefined);
  const accounts = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "sec1", format: "pem" },
  });
  const files = {
    "serving.crt": serving.certPem,
    "serving.key": serving.keyPem,
    "accounts.key": accounts.privateKey,
    "accounts.pub": accounts.publicKey,
    "tokens.csv": `${token},admin,admin,system:masters\n`,
  };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(directory, name), content, { mode: 0o600 });
  return { caPem: serving.caPem, token };
}

async function ready(config: string, programs: readonly Program[], timeoutMs: number): Promise<void> {
  const connection = new Connection(config);
  try {
    await eventually(async () => {
      for (const program of programs) program.requireRunning();
      const answer = await connection.call({ path: "/readyz", timeoutMs: 2000 }).catch(() => undefined);
      return answer?.code === 200 ? true : undefined;
    }, timeoutMs);
  } finally {
    connection.close();
  }
}

/** A port nobody has now. Another program may take it before ours does: then ours ends, and says so. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

class Program {
  readonly #path: string;
  readonly #child: ChildProcess;
  #said = "";
  #failure: Error | undefined;
  /** Ended, and everything it said has been read. */
  #isClosed = false;

  constructor(path: string, args: readonly string[]) {
    this.#path = path;
    this.#child = spawn(path, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child.on("error", (error) => {
      this.#failure = error;
    });
    this.#child.on("close", () => {
      this.#isClosed = true;
    });
    this.#child.stderr?.on("data", (chunk) => {
      this.#said = (this.#said + String(chunk)).slice(-4096);
    });
  }

  get #hasEnded(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  requireRunning(): void {
    if (this.#child.pid === undefined)
      throw new Error(`${this.#path} cannot be started`, { cause: this.#failure });
    if (this.#isClosed)
      throw new Error(`${this.#path} ended with code ${this.#child.exitCode}: ${this.#said}`);
  }

  /** Asks, and after ten seconds insists. */
  async end(): Promise<void> {
    if (this.#hasEnded) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const insist = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await exit;
    clearTimeout(insist);
  }
}
