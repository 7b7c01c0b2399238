import { isObject, listAt, objectAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { fieldError } from "../status.ts";
import type { Strategy, World } from "./resource.ts";

/** The lab's service network: 10.96.0.0/16 and fd00:96::/112, both families, as kubeadm's documentation uses them. */
const networks = {
  IPv4: (host: number) => `10.96.${host >> 8}.${host & 255}`,
  IPv6: (host: number) => `fd00:96::${host.toString(16)}`,
} as const;

type Family = keyof typeof networks;

function allocate(object: KubeObject, world: World): void {
  const spec = objectAt(object, "spec");
  if (!spec) return;
  for (const port of listAt(spec, "ports")) if (isObject(port)) port.targetPort ??= port.port;
  if (spec.type === "ExternalName") return;
  if (stringAt(spec, "clusterIP") === "None") {
    spec.clusterIPs = ["None"];
    return;
  }
  const dual = spec.ipFamilyPolicy === "PreferDualStack" || spec.ipFamilyPolicy === "RequireDualStack";
  spec.ipFamilyPolicy ??= "SingleStack";
  const named = listAt(spec, "ipFamilies").filter((f): f is Family => f === "IPv4" || f === "IPv6");
  const first = named[0] ?? (stringAt(spec, "clusterIP")?.includes(":") ? "IPv6" : "IPv4");
  const families: Family[] = dual ? [first, first === "IPv4" ? "IPv6" : "IPv4"] : [first];
  const taken = new Set(world.list("/services").flatMap((s) => listAt(s, "spec", "clusterIPs")));
  spec.ipFamilies = families;
  const wanted = [...listAt(spec, "clusterIPs")];
  if (stringAt(spec, "clusterIP")) wanted[0] = spec.clusterIP!;
  spec.clusterIPs = families.map((family, i) => wanted[i] ?? free(family, taken));
  spec.clusterIP = listAt(spec, "clusterIPs")[0];
}

function free(family: Family, taken: ReadonlySet<unknown>): string {
  for (let host = 10; host < 65535; host++) {
    const address = networks[family](host);
    if (!taken.has(address)) return address;
  }
  throw new Error(`no free ${family} service address: delete services`);
}

export const serviceStrategy: Strategy = {
  prepareCreate(object, world) {
    object.status = { loadBalancer: {} };
    allocate(object, world);
  },
  prepareUpdate(object, old) {
    const [spec, before] = [objectAt(object, "spec"), objectAt(old, "spec")];
    if (!spec || !before) return;
    for (const port of listAt(spec, "ports")) if (isObject(port)) port.targetPort ??= port.port;
    for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"])
      spec[field] ??= before[field];
  },
  validate: (object) =>
    stringAt(object, "spec", "clusterIP") !== "None" &&
    stringAt(object, "spec", "type") !== "ExternalName" &&
    listAt(object, "spec", "ports").length === 0
      ? [fieldError.required("spec.ports")]
      : [],
  validateUpdate(object, old) {
    const [now, before] = [stringAt(object, "spec", "clusterIP"), stringAt(old, "spec", "clusterIP")];
    return before && now !== before && stringAt(object, "spec", "type") !== "ExternalName"
      ? [fieldError.invalid("spec.clusterIPs[0]", now, "may not change once set")]
      : [];
  },
};
