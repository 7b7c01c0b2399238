import { StatusError } from "../status.ts";

/** What shape and encoding the client wants its answer in. */
export interface Accepted {
  readonly encoding: "json" | "yaml";
  readonly as:
    | "object"
    | "Table"
    | "PartialObjectMetadata"
    | "PartialObjectMetadataList"
    | "APIGroupDiscoveryList";
  /** The API version of `as`, such as `v1` or `v2beta1`. */
  readonly asVersion: string;
}

const plain: Accepted = { encoding: "json", as: "object", asVersion: "" };
const cache = new Map<string, readonly Accepted[]>();

const encodings: { readonly [mediaType: string]: Accepted["encoding"] } = {
  "application/json": "json",
  "application/*": "json",
  "*/*": "json",
  "application/yaml": "yaml",
};

/** The acceptable answers of an Accept header, in the client's order; those we cannot give are left out. */
function parse(header: string): readonly Accepted[] {
  const result: Accepted[] = [];
  for (const range of header.split(",")) {
    const [mediaType = "", ...parameters] = range.split(";").map((part) => part.trim());
    const encoding = encodings[mediaType];
    if (!encoding) continue;
    const values = new Map(parameters.map((p) => p.split("=", 2) as [string, string]));
    const as = values.get("as");
    result.push(
      as === undefined
        ? { ...plain, encoding }
        : { encoding, as: as as Accepted["as"], asVersion: values.get("v") ?? "v1" },
    );
  }
  return result;
}

const mediaTypes = ["application/json", "application/yaml"];

/** Chooses the first acceptable answer; `offered` says which shapes this endpoint can take. */
export function negotiate(header: string | undefined, offered: readonly Accepted["as"][]): Accepted {
  if (header === undefined || header === "" || header === "application/json") return plain;
  let accepted = cache.get(header);
  if (!accepted) {
    accepted = parse(header);
    if (cache.size > 100) cache.clear();
    cache.set(header, accepted);
  }
  const choice = accepted.find((a) => a.as === "object" || offered.includes(a.as));
  if (choice) return choice;
  throw new StatusError(
    "NotAcceptable",
    `only the following media types are accepted: ${mediaTypes.join(", ")}`,
  );
}
