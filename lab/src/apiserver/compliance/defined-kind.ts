import { type JsonObject, listAt, stringAt } from "../json.ts";
import { type Client, eventually, uniqueName } from "./target.ts";

export const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

const group = "compliance.example.org";

export interface Definition {
  /** Of the whole object. */
  readonly schema: JsonObject;
  readonly subresources?: JsonObject;
  readonly columns?: JsonObject[];
}

/** A CustomResourceDefinition with versions v1 and v1beta1 of one schema. */
export function definition(
  plural: string,
  { schema, subresources = {}, columns = [] }: Definition,
): JsonObject {
  const kind = `K${plural}`;
  const version = { served: true, schema: { openAPIV3Schema: schema }, subresources };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Cluster",
      names: {
        plural,
        singular: kind.toLowerCase(),
        kind,
        listKind: `${kind}List`,
        shortNames: [plural.replace("things", "th")],
      },
      versions: [
        { ...version, name: "v1", storage: true, additionalPrinterColumns: columns },
        { ...version, name: "v1beta1", storage: false },
      ],
    },
  };
}

export interface DefinedKind {
  readonly plural: string;
  /** Of the definition. */
  readonly crd: string;
  /** Of the objects, in version v1. */
  readonly path: string;
  thing(name: string, spec: JsonObject, more?: JsonObject): JsonObject;
}

export const uniquePlural = (): string => uniqueName("things").replace("-", "");

/** Defines a kind of its own for one test and waits until it is served. */
export async function defineKind(client: Client, wanted: Definition): Promise<DefinedKind> {
  const plural = uniquePlural();
  const crd = `${definitions}/${plural}.${group}`;
  await client.post(definitions, definition(plural, wanted));
  await established(client, crd);
  const path = `/apis/${group}/v1/${plural}`;
  await eventually(async () => ((await client.connection.call({ path })).code === 200 ? true : undefined));
  const thing = (name: string, spec: JsonObject, more: JsonObject = {}): JsonObject => ({
    apiVersion: `${group}/v1`,
    kind: `K${plural}`,
    metadata: { name },
    spec,
    ...more,
  });
  return { plural, crd, path, thing };
}

export const established = (client: Client, crd: string): Promise<boolean> =>
  eventually(async () =>
    listAt(await client.get(crd), "status", "conditions").some(
      (c) => stringAt(c, "type") === "Established" && stringAt(c, "status") === "True",
    )
      ? true
      : undefined,
  );
