import { configurationName, decodeConfiguration, type EffectiveConfiguration } from "./configuration.ts";
import { Flight } from "./flight.ts";
import { decodePool, type Pool } from "./pool.ts";
import { decodeReservations, type Reservations } from "./reservations.ts";
import type { IPAMConfiguration, IPPool, IPReservation } from "./resources.ts";
import type { IpamStore } from "./store.ts";

/** What people configure, as objects. */
export interface SettingsObjects {
  readonly pools: readonly IPPool[];
  readonly reservations: readonly IPReservation[];
  readonly configuration: IPAMConfiguration | undefined;
}

/** Where the settings come from. One that watches answers at once and keeps a steady-state allocation free of reads. */
export interface SettingsSource {
  read(options: { readonly fresh: boolean }): Promise<SettingsObjects>;
}

/** The same, decoded. */
export interface Settings {
  readonly pools: readonly Pool[];
  readonly reservations: Reservations;
  readonly configuration: EffectiveConfiguration;
  /** Objects that are ignored because they are wrong, in words. */
  readonly problems: readonly string[];
}

export function decodeSettings(objects: SettingsObjects): Settings {
  const problems: string[] = [];
  const pools: Pool[] = [];
  for (const object of objects.pools) {
    try {
      pools.push(decodePool(object));
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  const reservations = decodeReservations(objects.reservations);
  problems.push(...reservations.problems);
  return { pools, reservations, configuration: decodeConfiguration(objects.configuration), problems };
}

/** Reads the settings from the store and remembers them for `maxAgeMs`. */
export function createStoreSettings(store: IpamStore, maxAgeMs: number, now: () => number): SettingsSource {
  let known: { readonly at: number; readonly objects: SettingsObjects } | undefined;
  const flight = new Flight(async () => {
    const at = now();
    const [pools, reservations, configuration] = await Promise.all([
      store.list("IPPool"),
      store.list("IPReservation"),
      store.get("IPAMConfiguration", configurationName),
    ]);
    known = { at, objects: { pools, reservations, configuration } };
    return known.objects;
  });
  return {
    async read({ fresh }) {
      const age = known ? now() - known.at : Number.POSITIVE_INFINITY;
      if (fresh) return flight.run();
      return known && age >= 0 && age < maxAgeMs ? known.objects : flight.join();
    },
  };
}

/** Decodes only when the objects have changed. */
export function createSettings(
  source: SettingsSource,
): (options?: { readonly fresh: boolean }) => Promise<Settings> {
  let last: { readonly objects: SettingsObjects; readonly settings: Settings } | undefined;
  return async (options = { fresh: false }) => {
    const objects = await source.read(options);
    if (last?.objects !== objects) last = { objects, settings: decodeSettings(objects) };
    return last.settings;
  };
}
