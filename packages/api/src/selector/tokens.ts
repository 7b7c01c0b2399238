import { SelectorError } from "./selector-error.ts";

const symbols = ["==", "!=", "&&", "||", "!", "(", ")", "{", "}", ","] as const;

export type TokenType = (typeof symbols)[number] | "name" | "string" | "end";

export interface Token {
  readonly type: TokenType;
  /** Without the quotes of a string. */
  readonly text: string;
  /** From 1. */
  readonly column: number;
}

const name = /[A-Za-z0-9_./-]+/y;
const space = /[ \t\r\n]+/y;

/** Cuts a selector into tokens; the last one is `end`. Strings stand in ' or " and know no escapes. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    space.lastIndex = at;
    if (space.test(text)) {
      at = space.lastIndex;
      continue;
    }
    const token = tokenAt(text, at);
    tokens.push(token);
    at += token.text.length + (token.type === "string" ? 2 : 0);
  }
  tokens.push({ type: "end", text: "", column: text.length + 1 });
  return tokens;
}

function tokenAt(text: string, at: number): Token {
  const column = at + 1;
  const first = text.charAt(at);
  if (first === "'" || first === '"') {
    const end = text.indexOf(first, at + 1);
    if (end < 0)
      throw new SelectorError(
        "UnterminatedString",
        text,
        column,
        "this string does not end",
        `Close it with ${first}.`,
      );
    return { type: "string", text: text.slice(at + 1, end), column };
  }
  const symbol = symbols.find((candidate) => text.startsWith(candidate, at));
  if (symbol) return { type: symbol, text: symbol, column };
  name.lastIndex = at;
  const found = name.exec(text);
  if (found) return { type: "name", text: found[0], column };
  const remedy = "Label keys are made of letters, digits and _ . / -, values stand in quotes.";
  throw new SelectorError(
    "UnexpectedCharacter",
    text,
    column,
    `${JSON.stringify(first)} has no meaning here`,
    remedy,
  );
}
