import { IpamError } from "./errors.ts";
import type { IPAMConfiguration, IPAMConfigurationSpec } from "./resources.ts";

/** The one IPAMConfiguration there may be. */
export const configurationName = "default";

/** Effective when `maxBlocksPerHost` is 0. */
export const defaultMaxBlocksPerHost = 20;

/** What holds where the IPAMConfiguration says nothing. */
export const configurationDefaults = {
  strictAffinity: false,
  autoAllocateBlocks: true,
  maxBlocksPerHost: 0,
  kubeVirtVMAddressPersistence: "Enabled",
  ipCooldownSeconds: 0,
} as const satisfies Required<IPAMConfigurationSpec>;

/** An IPAMConfiguration with its defaults. */
export type EffectiveConfiguration = Readonly<Required<IPAMConfigurationSpec>>;

/**
 * Fills in the defaults and checks the limits. No object at all means the defaults.
 * @throws IpamError ConfigurationInvalid
 */
export function decodeConfiguration(configuration: IPAMConfiguration | undefined): EffectiveConfiguration {
  if (!configuration) return configurationDefaults;
  const { metadata, spec } = configuration;
  const wrong = (field: string, message: string) =>
    new IpamError("ConfigurationInvalid", message, { object: `IPAMConfiguration ${metadata.name}`, field });
  if (metadata.name !== configurationName)
    throw wrong(
      "metadata.name",
      `Cannot create an IPAMConfiguration resource with a name other than "default"`,
    );
  const effective: EffectiveConfiguration = { ...configurationDefaults, ...definedOf(spec ?? {}) };
  for (const field of ["strictAffinity", "autoAllocateBlocks"] as const)
    if (typeof effective[field] !== "boolean") throw wrong(`spec.${field}`, "must be true or false");
  const isCount = (value: number, max: number) => Number.isInteger(value) && value >= 0 && value <= max;
  if (!isCount(effective.maxBlocksPerHost, 2_147_483_647))
    throw wrong("spec.maxBlocksPerHost", "must be a whole number from 0 to 1000000");
  if (!isCount(effective.ipCooldownSeconds, 1200))
    throw wrong("spec.ipCooldownSeconds", "must be a whole number from 0 to 1200");
  if (!["Enabled", "Disabled"].includes(effective.kubeVirtVMAddressPersistence))
    throw wrong("spec.kubeVirtVMAddressPersistence", "must be Enabled or Disabled");
  return effective;
}

/** What may be written, beyond what may be read. */
export function checkConfiguration(configuration: EffectiveConfiguration): void {
  const wrong = (field: string, message: string) =>
    new IpamError("ConfigurationInvalid", message, {
      object: "IPAMConfiguration default",
      field: `spec.${field}`,
    });
  if (!configuration.strictAffinity && !configuration.autoAllocateBlocks)
    throw wrong(
      "autoAllocateBlocks",
      "Cannot disable 'StrictAffinity' and 'AutoAllocateBlocks' at the same time",
    );
  if (configuration.maxBlocksPerHost > 0 && !configuration.strictAffinity)
    throw wrong("maxBlocksPerHost", "MaxBlocksPerHost requires StrictAffinity to be enabled");
  if (configuration.maxBlocksPerHost > 1_000_000) throw wrong("maxBlocksPerHost", "must be at most 1000000");
}

const definedOf = <T extends object>(value: T): Partial<T> =>
  Object.fromEntries(
    Object.entries(value).filter(([, field]) => field !== undefined && field !== null),
  ) as Partial<T>;
