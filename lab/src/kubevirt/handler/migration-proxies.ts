import type { TargetSockets } from "../launcher-protocol.ts";
import { type Forwarder, forward } from "./proxy.ts";
import { memoryPort, relay, relayFromFreePort } from "./relay.ts";

/** What the target announces: a TCP port and what is behind it, 0 for libvirt's control connection. */
export type MigrationPorts = Record<string, number>;

/**
 * The path of a migration between nodes: source launcher, unix socket, source virt-handler, TCP, target virt-handler,
 * unix socket, target launcher. One pair for the control connection, one for the memory.
 */
export class MigrationProxies {
  readonly #open = new Map<string, Forwarder[]>();

  /** On the target: TCP to the launcher's sockets. Returns the ports. */
  async listen(uid: string, address: string, sockets: TargetSockets): Promise<MigrationPorts> {
    await this.close(uid);
    const control = await forward({ host: address, port: 0 }, { path: sockets.control });
    this.#open.set(uid, [control]);
    const memory = await relayFromFreePort(address, { path: sockets.memory });
    this.#open.set(uid, [control, memory]);
    return { [control.port]: 0, [memory.port]: memoryPort };
  }

  /** On the source: sockets in the launcher's directory to the target's ports. */
  async dial(uid: string, directory: string, address: string, ports: MigrationPorts): Promise<TargetSockets> {
    await this.close(uid);
    const portFor = (what: number) => Number(Object.entries(ports).find(([, value]) => value === what)?.[0]);
    const sockets = { control: `${directory}/source.sock`, memory: `${directory}/49152-source.sock` };
    const control = await forward({ path: sockets.control }, { host: address, port: portFor(0) });
    this.#open.set(uid, [control]);
    const memory = await relay({ path: sockets.memory }, { host: address, port: portFor(memoryPort) });
    this.#open.set(uid, [control, memory]);
    return sockets;
  }

  has(uid: string): boolean {
    return this.#open.has(uid);
  }

  async close(uid: string): Promise<void> {
    const forwarders = this.#open.get(uid) ?? [];
    this.#open.delete(uid);
    for (const forwarder of forwarders) await forwarder[Symbol.asyncDispose]();
  }

  async closeAll(): Promise<void> {
    for (const uid of [...this.#open.keys()]) await this.close(uid);
  }
}
