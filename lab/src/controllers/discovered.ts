import type { Connection } from "../apiserver/connection.ts";
import { isObject, listAt, stringAt } from "../apiserver/json.ts";

/** A resource as discovery describes it. */
export interface Discovered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** `/api/v1` or `/apis/apps/v1`. */
  readonly root: string;
}

export const pathOf = (resource: Discovered, namespace: string, name: string): string =>
  `${resource.root}${resource.namespaced ? `/namespaces/${namespace}` : ""}/${resource.plural}/${name}`;

/** Every resource that can be listed, watched and deleted, in its group's preferred version. */
export async function discover(connection: Connection): Promise<Discovered[]> {
  const groups = (await connection.call({ path: "/apis" })).json;
  const roots = [
    "/api/v1",
    ...listAt(groups, "groups").map((g) => `/apis/${stringAt(g, "preferredVersion", "groupVersion")}`),
  ];
  const lists = await Promise.all(roots.map((path) => connection.call({ path })));
  return lists.flatMap(({ json }, i) =>
    listAt(json, "resources")
      .filter(isObject)
      .filter((r) => {
        const verbs = listAt(r, "verbs");
        return (
          !String(r.name).includes("/") && ["list", "watch", "delete"].every((verb) => verbs.includes(verb))
        );
      })
      .map((r) => ({
        apiVersion: stringAt(json, "groupVersion") ?? "v1",
        kind: String(r.kind),
        plural: String(r.name),
        namespaced: r.namespaced === true,
        root: roots[i]!,
      })),
  );
}
