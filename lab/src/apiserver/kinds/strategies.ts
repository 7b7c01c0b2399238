import { admissionPolicyStrategy } from "../admission/policy-rules.ts";
import { isObject, type JsonObject, listAt, numberAt, objectAt, sameJson, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { type FieldError, fieldError } from "../status.ts";
import { definitionStrategy } from "./definition-rules.ts";
import type { Strategy } from "./resource.ts";
import { serviceStrategy } from "./service.ts";

const immutable =
  (...paths: readonly string[]) =>
  (object: KubeObject, old: KubeObject): FieldError[] =>
    paths.flatMap((path) => {
      const [now, before] = [at(object, path), at(old, path)];
      return sameJson(now, before) ? [] : [fieldError.invalid(path, now, "field is immutable")];
    });

const at = (object: KubeObject, path: string) => {
  const parts = path.split(".");
  const last = parts.pop()!;
  return parts.length === 0 ? object[last] : objectAt(object, ...parts)?.[last];
};

const podSpecMayChange = new Set([
  "containers",
  "initContainers",
  "activeDeadlineSeconds",
  "tolerations",
  "schedulingGates",
  "terminationGracePeriodSeconds",
]);

const pod: Strategy = {
  prepareCreate(object) {
    object.status = { phase: "Pending", qosClass: "BestEffort" };
    const spec = objectAt(object, "spec");
    if (!spec) return;
    spec.serviceAccountName ??= spec.serviceAccount ?? "default";
    spec.serviceAccount = spec.serviceAccountName;
    for (const container of [...listAt(spec, "containers"), ...listAt(spec, "initContainers")])
      if (isObject(container))
        container.imagePullPolicy ??= /:(?!latest$)[^/]+$/.test(String(container.image))
          ? "IfNotPresent"
          : "Always";
    spec.tolerations ??= [];
    const tolerations = listAt(spec, "tolerations");
    for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"])
      if (!tolerations.some((t) => stringAt(t, "key") === key || (isObject(t) && t.key === undefined)))
        tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 });
  },
  validate(object) {
    const errors: FieldError[] = [];
    if (listAt(object, "spec", "containers").length === 0)
      errors.push(fieldError.required("spec.containers"));
    listAt(object, "spec", "containers").forEach((container, i) => {
      if (!stringAt(container, "image")) errors.push(fieldError.required(`spec.containers[${i}].image`));
    });
    return errors;
  },
  validateUpdate(object, old) {
    const [spec, before] = [objectAt(object, "spec") ?? {}, objectAt(old, "spec") ?? {}];
    const changed = [...new Set([...Object.keys(spec), ...Object.keys(before)])].some((name) => {
      if (podSpecMayChange.has(name) || sameJson(spec[name], before[name])) return false;
      return true;
    });
    return changed || !sameExceptImages(listAt(spec, "containers"), listAt(before, "containers"))
      ? [
          fieldError.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
          ),
        ]
      : [];
  },
  gracePeriod(object, requested) {
    const phase = stringAt(object, "status", "phase");
    if (!stringAt(object, "spec", "nodeName") || phase === "Succeeded" || phase === "Failed") return 0;
    return requested ?? numberAt(object, "spec", "terminationGracePeriodSeconds") ?? 30;
  },
};

function sameExceptImages(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((item, i) => {
    const other = b[i];
    if (!isObject(item as never) || !isObject(other as never)) return false;
    return sameJson({ ...(item as object), image: "" }, { ...(other as object), image: "" });
  });
}

const namespace: Strategy = {
  finalizesItself: true,
  prepareCreate(object) {
    object.spec = { finalizers: ["kubernetes"] };
    object.status = { phase: "Active" };
    object.metadata.labels = {
      ...object.metadata.labels,
      "kubernetes.io/metadata.name": object.metadata.name,
    };
  },
  prepareUpdate(object, old) {
    object.spec = old.spec;
    object.metadata.labels = {
      ...object.metadata.labels,
      "kubernetes.io/metadata.name": object.metadata.name,
    };
  },
};

const secret: Strategy = {
  prepareCreate: foldStringData,
  prepareUpdate: foldStringData,
  validateUpdate: (object, old) =>
    old.immutable === true && !sameJson(object.data, old.data)
      ? [fieldError.forbidden("data", "field is immutable when `immutable` is set")]
      : immutable("type")(object, old),
};

function foldStringData(object: KubeObject): void {
  const plain = objectAt(object, "stringData");
  delete object.stringData;
  if (!plain) return;
  object.data = {
    ...objectAt(object, "data"),
    ...Object.fromEntries(
      Object.entries(plain).map(([key, value]) => [key, Buffer.from(String(value)).toString("base64")]),
    ),
  };
}

/** The parameters of a rolling update, when that is the strategy. */
function completeStrategy(object: KubeObject): void {
  const spec = objectAt(object, "spec");
  const [field, parameters] =
    object.kind === "Deployment"
      ? ["strategy", { maxSurge: "25%", maxUnavailable: "25%" }]
      : ["updateStrategy", { maxSurge: 0, maxUnavailable: 1 }];
  const strategy = objectAt(spec, field as string);
  if (strategy?.type === "RollingUpdate") strategy.rollingUpdate ??= parameters as JsonObject;
}

const workload: Strategy = {
  prepareCreate: completeStrategy,
  prepareUpdate: completeStrategy,
  validate(object) {
    const selector = objectAt(object, "spec", "selector", "matchLabels") ?? {};
    const labels = objectAt(object, "spec", "template", "metadata", "labels") ?? {};
    const errors: FieldError[] = [];
    if (Object.entries(selector).some(([key, value]) => labels[key] !== value))
      errors.push(
        fieldError.invalid(
          "spec.template.metadata.labels",
          labels,
          "`selector` does not match template `labels`",
        ),
      );
    return errors;
  },
  validateUpdate: immutable("spec.selector"),
};

const networkPolicy: Strategy = {
  prepareCreate: defaultPolicyTypes,
  prepareUpdate: defaultPolicyTypes,
};

function defaultPolicyTypes(object: KubeObject): void {
  const spec = objectAt(object, "spec");
  if (spec && listAt(spec, "policyTypes").length === 0)
    spec.policyTypes = spec.egress === undefined ? ["Ingress"] : ["Ingress", "Egress"];
}

const rules: Strategy = {
  prepareCreate(object) {
    object.rules ??= [];
  },
};

const binding: Strategy = {
  prepareCreate: defaultSubjects,
  prepareUpdate: defaultSubjects,
  validateUpdate: (object, old) =>
    sameJson(object.roleRef, old.roleRef)
      ? []
      : [fieldError.invalid("roleRef", object.roleRef, "cannot change roleRef")],
};

function defaultSubjects(object: KubeObject): void {
  for (const subject of listAt(object, "subjects"))
    if (isObject(subject)) {
      if (subject.kind === "ServiceAccount") subject.apiGroup = "";
      else subject.apiGroup ??= "rbac.authorization.k8s.io";
      if (subject.apiGroup === "") delete subject.apiGroup;
    }
}

const endpointSlice: Strategy = { validateUpdate: immutable("addressType") };

/** What built-in kinds do beyond their schema, by `group/kind`. */
export const strategies: { readonly [groupKind: string]: Strategy } = {
  "/Pod": pod,
  "/Namespace": namespace,
  "/Service": serviceStrategy,
  "/Secret": secret,
  "apps/Deployment": workload,
  "apps/ReplicaSet": workload,
  "apps/DaemonSet": workload,
  "networking.k8s.io/NetworkPolicy": networkPolicy,
  "rbac.authorization.k8s.io/Role": rules,
  "rbac.authorization.k8s.io/ClusterRole": rules,
  "rbac.authorization.k8s.io/RoleBinding": binding,
  "rbac.authorization.k8s.io/ClusterRoleBinding": binding,
  "discovery.k8s.io/EndpointSlice": endpointSlice,
  "apiextensions.k8s.io/CustomResourceDefinition": definitionStrategy,
  "admissionregistration.k8s.io/ValidatingAdmissionPolicy": admissionPolicyStrategy,
};
