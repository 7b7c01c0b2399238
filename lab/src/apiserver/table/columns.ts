import type { Column } from "../kinds/resource.ts";

export const defaultColumns: readonly Column[] = [
  { name: "Name", type: "string", format: "name", jsonPath: ".metadata.name" },
  { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
];

export const builtinColumns: { readonly [groupKind: string]: readonly Column[] } = {};
