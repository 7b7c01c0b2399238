import {
  checkConfiguration,
  configurationName,
  decodeConfiguration,
  type EffectiveConfiguration,
} from "./configuration.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import type { IPAMConfigurationSpec } from "./resources.ts";
import { isStoreError } from "./store.ts";

/** The options of `ipam configure`, as texts from a command line. */
export interface ConfigureOptions {
  readonly strictaffinity?: string | undefined;
  readonly "max-blocks-per-host"?: string | undefined;
  readonly "kubevirt-ip-persistence"?: string | undefined;
  readonly "ip-cooldown-seconds"?: string | undefined;
}

const wrong = (field: string, message: string) => new IpamError("ConfigurationInvalid", message, { field });

/** Every way in which the incumbent lets people write a truth value. */
const truths: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, false] as const),
]);

/**
 * Reads the options of the command line.
 * @throws IpamError ConfigurationInvalid with the incumbent's sentences
 */
export function parseConfigureOptions(options: ConfigureOptions): IPAMConfigurationSpec {
  const { strictaffinity, ...rest } = options;
  const changes: { -readonly [F in keyof IPAMConfigurationSpec]: IPAMConfigurationSpec[F] } = {};
  if (strictaffinity !== undefined) {
    const value = truths.get(strictaffinity);
    if (value === undefined)
      throw wrong("--strictaffinity", "invalid value. Use true or false to set strictaffinity");
    changes.strictAffinity = value;
  }
  const blocks = rest["max-blocks-per-host"];
  if (blocks !== undefined) {
    if (!/^\d+$/.test(blocks))
      throw wrong("--max-blocks-per-host", "invalid value for maxblockhost. Use a valid number");
    changes.maxBlocksPerHost = Number(blocks);
  }
  const persistence = rest["kubevirt-ip-persistence"];
  if (persistence !== undefined) {
    if (persistence !== "Enabled" && persistence !== "Disabled")
      throw wrong(
        "--kubevirt-ip-persistence",
        "invalid value for --kubevirt-ip-persistence. Use Enabled or Disabled",
      );
    changes.kubeVirtVMAddressPersistence = persistence;
  }
  const cooldown = rest["ip-cooldown-seconds"];
  if (cooldown !== undefined) {
    if (!/^\d+$/.test(cooldown))
      throw wrong(
        "--ip-cooldown-seconds",
        "invalid value for --ip-cooldown-seconds. Use a number from 0 to 1200",
      );
    changes.ipCooldownSeconds = Number(cooldown);
  }
  if (Object.keys(changes).length === 0)
    throw wrong("options", "at least one configuration option must be specified");
  return changes;
}

/**
 * Changes the IPAMConfiguration, creating it if there is none.
 * @throws IpamError ConfigurationInvalid
 */
export async function configure(
  engine: Engine,
  changes: IPAMConfigurationSpec,
): Promise<EffectiveConfiguration> {
  for (let attempt = 0; ; attempt++) {
    const present = await engine.store.get("IPAMConfiguration", configurationName);
    const metadata = present?.metadata ?? { name: configurationName };
    const spec = { ...decodeConfiguration(present), ...changes };
    const effective = decodeConfiguration({ metadata, spec });
    checkConfiguration(effective);
    try {
      if (present) await engine.store.replace("IPAMConfiguration", { ...present, spec: effective });
      else await engine.store.create("IPAMConfiguration", { metadata, spec: effective });
      await engine.settings({ fresh: true });
      return effective;
    } catch (error) {
      if (!isStoreError(error, "Conflict", "AlreadyExists") || attempt >= 10) throw error;
    }
  }
}

const displayName: Readonly<Record<keyof IPAMConfigurationSpec, string>> = {
  strictAffinity: "StrictAffinity",
  autoAllocateBlocks: "AutoAllocateBlocks",
  maxBlocksPerHost: "MaxBlocksPerHost",
  kubeVirtVMAddressPersistence: "KubeVirtVMAddressPersistence",
  ipCooldownSeconds: "IPCooldownSeconds",
};

/** `Successfully set StrictAffinity to: true`, one line per change. */
export function renderConfigured(changes: IPAMConfigurationSpec): string {
  return Object.entries(changes)
    .map(
      ([field, value]) =>
        `Successfully set ${displayName[field as keyof IPAMConfigurationSpec]} to: ${value}\n`,
    )
    .join("");
}

/** Name and value of every setting, as `show --show-configuration` lists them. */
export function configurationRows(configuration: EffectiveConfiguration): [string, string][] {
  return (Object.keys(displayName) as (keyof IPAMConfigurationSpec)[]).map((field) => [
    displayName[field],
    String(configuration[field]),
  ]);
}
