import type { HostEndpoint, Profile } from "@fairlead/api";
import type { Calculator } from "../calc/calculator.ts";
import type { NamedPort } from "../endpoint.ts";
import { isInterfaceName } from "../endpoint-check.ts";
import { PolicyError } from "../error.ts";
import { address } from "../ruleset/value.ts";
import { allowingProfile, allowsEverything, fromProfile, profileKey, profileLabel } from "./profile.ts";

/** Reads host endpoints and the profiles they name. Those of other nodes are members of sets. */
export class HostEndpoints {
  readonly #calculator: Calculator;
  readonly #nodeName: string;
  readonly #objects = new Map<string, HostEndpoint>();
  readonly #profiles = new Map<string, Profile>();

  constructor(calculator: Calculator, nodeName: string) {
    this.#calculator = calculator;
    this.#nodeName = nodeName;
  }

  /** @throws PolicyError `InvalidObject` */
  upsert(object: HostEndpoint): void {
    const { metadata, spec } = object;
    const { name } = metadata;
    const here = spec.node === this.#nodeName;
    const { interfaceName, profiles = [] } = spec;
    if (here && (interfaceName === undefined || !(interfaceName === "*" || isInterfaceName(interfaceName)))) {
      throw new PolicyError(
        "InvalidObject",
        "A host endpoint needs a whole interface name, or *; set interfaceName.",
      );
    }
    this.#objects.set(name, object);
    const id = `HostEndpoint/${name}`;
    const labels = this.#labels(object);
    const addresses = spec.expectedIPs ?? [];
    const ports = namedPorts(spec.ports ?? []);
    this.#calculator.upsertSource({ id, labels, addresses: addresses.map(address), ports, isPod: false });
    if (!here || interfaceName === undefined) {
      this.#calculator.removeHost(id);
      return;
    }
    for (const profile of profiles) this.#addBuiltIn(profile);
    const selected = Object.fromEntries(profiles.map((profile) => [profileLabel(profile), ""]));
    this.#calculator.upsertHost({
      id,
      interfaceName,
      labels: { ...labels, ...selected },
      profiles,
      addresses,
      ports,
    });
  }

  remove(name: string): void {
    this.#objects.delete(name);
    this.#calculator.removeHost(`HostEndpoint/${name}`);
    this.#calculator.removeSource(`HostEndpoint/${name}`);
  }

  /** @throws PolicyError `InvalidObject` */
  upsertProfile(profile: Profile): void {
    const { name } = profile.metadata;
    this.#calculator.upsertPolicy(fromProfile(name, profile.spec));
    this.#profiles.set(name, profile);
    this.#refresh(name);
  }

  removeProfile(name: string): void {
    this.#profiles.delete(name);
    this.#calculator.removePolicy(profileKey(name));
    this.#refresh(name);
  }

  #addBuiltIn(name: string): void {
    if (allowsEverything(name) && !this.#calculator.hasPolicy(profileKey(name)))
      this.#calculator.upsertPolicy(allowingProfile(name));
  }

  #labels({ metadata, spec }: HostEndpoint): Record<string, string> {
    const inherited = (spec.profiles ?? []).map((name) => this.#profiles.get(name)?.spec.labelsToApply ?? {});
    return Object.assign({}, ...inherited, metadata.labels);
  }

  #refresh(profile: string): void {
    for (const object of this.#objects.values())
      if (object.spec.profiles?.includes(profile)) this.upsert(object);
  }
}

const protocols: Readonly<Record<string, NamedPort["protocol"]>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };

function namedPorts(ports: NonNullable<HostEndpoint["spec"]["ports"]>): NamedPort[] {
  return ports.flatMap(({ name, protocol, port }) => {
    const known = protocols[String(protocol)];
    return known === undefined ? [] : [{ name, port, protocol: known }];
  });
}
