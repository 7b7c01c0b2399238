import type { ServerResponse } from "node:http";
import { apiVersionOf } from "../kinds/resource.ts";
import { StatusError } from "../status.ts";
import type { Change, ChangeType, Stored } from "../storage/change.ts";
import type { Api, Call } from "./api.ts";
import { parseSelection, type Selection } from "./list.ts";

/** How one event is put on the wire: as the object itself, or as a table row. */
export interface Encoder {
  change(change: Change, type: ChangeType): Buffer | string;
  added(stored: Stored): Buffer | string;
  readonly contentType: string;
}

/** A watcher this far behind is cut off and comes back, bytes. */
const maxBacklog = 64 << 20;
const defaultTimeoutSeconds = 30 * 60;

/** Streams changes until the client leaves, the timeout passes, or the server ends. */
export function watch(
  api: Api,
  call: Call,
  query: URLSearchParams,
  encoder: Encoder,
  response: ServerResponse,
  options: { readonly bookmarkIntervalMs: number; readonly signal: AbortSignal },
): void {
  const { resource } = call;
  const selection = parseSelection(call, query);
  const collection = api.objects(resource);
  const apiVersion = apiVersionOf(resource);
  const asked = query.get("resourceVersion") ?? "";
  const initial = query.get("sendInitialEvents") === "true";
  const bookmarks = query.get("allowWatchBookmarks") === "true";
  const single = call.name !== "" ? call.name : undefined;
  const prefix = single ? `${selection.prefix}${single}` : selection.prefix;
  const inScope = (key: string): boolean => (single ? key === prefix : key.startsWith(prefix));

  response.writeHead(200, { "content-type": encoder.contentType, "cache-control": "no-cache, private" });
  response.flushHeaders();
  const from = asked === "" || asked === "0" || initial ? undefined : Number(asked);
  if (from !== undefined && from < collection.compacted) {
    const gone = new StatusError("Expired", `too old resource version: ${from} (${collection.compacted})`);
    response.end(`{"type":"ERROR","object":${JSON.stringify(gone.toStatus())}}\n`);
    return;
  }

  const send = (data: Buffer | string): void => {
    // A client that reads slowly keeps a watch that has ended open.
    if (response.writableEnded) return;
    response.write(data);
    if (response.writableLength > maxBacklog) response.destroy();
  };
  const bookmark = (annotations?: { [key: string]: string }): void =>
    send(
      `${JSON.stringify({
        type: "BOOKMARK",
        object: {
          kind: resource.kind,
          apiVersion,
          metadata: {
            resourceVersion: String(api.store.version),
            creationTimestamp: null,
            ...(annotations ? { annotations } : {}),
          },
        },
      })}\n`,
    );
  const deliver = (change: Change): void => {
    if (!inScope(change.current.key)) return;
    const type = visibleAs(change, selection);
    if (type) send(encoder.change(change, type));
  };

  if (from === undefined) {
    for (const stored of collection.sorted())
      if (inScope(stored.key) && (selection.matches?.(stored.object) ?? true)) send(encoder.added(stored));
    if (initial && bookmarks) bookmark({ "k8s.io/initial-events-end": "true" });
  } else for (const change of collection.since(from)) deliver(change);

  const unsubscribe = collection.subscribe(deliver);
  const seconds = Number(query.get("timeoutSeconds")) || defaultTimeoutSeconds;
  const interval = bookmarks ? setInterval(() => bookmark(), options.bookmarkIntervalMs) : undefined;
  const finish = (): void => {
    if (bookmarks) bookmark();
    response.end();
  };
  const timeout = setTimeout(finish, seconds * 1000);
  const abort = (): void => void response.end();
  options.signal.addEventListener("abort", abort, { once: true });
  response.on("close", () => {
    unsubscribe();
    clearInterval(interval);
    clearTimeout(timeout);
    options.signal.removeEventListener("abort", abort);
  });
}

/** A change seen through a selector: an object may come into view or leave it. Undefined: not seen at all. */
function visibleAs(change: Change, selection: Selection): ChangeType | undefined {
  if (!selection.matches) return change.type;
  const was = change.previous !== undefined && selection.matches(change.previous.object);
  const is = change.type !== "DELETED" && selection.matches(change.current.object);
  if (was) return is ? "MODIFIED" : "DELETED";
  return is ? "ADDED" : undefined;
}
