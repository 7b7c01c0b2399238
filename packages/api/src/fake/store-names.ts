/** Names the fake server gives: of collections, of pages, of new objects. */
import type { KindNames } from "../kind.ts";

export function collectionName(kind: KindNames): string {
  return `${kind.plural}.${kind.group}`;
}

export function decodeContinue(token: string | undefined, revision: number): [from: string, start: number] {
  if (!token) return ["", revision];
  const colon = token.indexOf(":");
  return [token.slice(colon + 1), Number(token.slice(0, colon))];
}

export function uid(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
}

/** The server's alphabet has no vowels and no look-alikes. */
export function suffix(n: number): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  let rest = (n * 2654435761) % 14348907;
  let text = "";
  for (let i = 0; i < 5; i++) {
    text += alphabet[rest % 27];
    rest = Math.floor(rest / 27);
  }
  return text;
}
