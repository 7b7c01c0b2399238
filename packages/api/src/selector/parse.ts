import type { Selector } from "./selector.ts";
import { SelectorError } from "./selector-error.ts";
import { type Token, type TokenType, tokenize } from "./tokens.ts";

/** Deeper nesting than anyone writes; bounds the recursion. */
const maxDepth = 100;

/**
 * Reads a selector.
 *
 *     or    := and  ('||' and)*
 *     and   := unary ('&&' unary)*
 *     unary := '!' unary | '(' or ')' | 'all()' | 'global()' | 'has(' key ')' | test
 *     test  := key '==' value | key '!=' value | key 'in' set | key 'not in' set
 *            | key 'contains' value | key 'starts with' value | key 'ends with' value
 *     set   := '{' [value (',' value)*] '}'
 *
 * An empty text means `all()`. Throws `SelectorError`.
 */
export function parseSelector(text: string): Selector {
  const tokens = tokenize(text);
  if (tokens.length === 1) return { type: "all" };
  const parser = new Parser(text, tokens);
  const selector = parser.or(0);
  parser.take("end");
  return selector;
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text;
    this.#tokens = tokens;
  }

  or(depth: number): Selector {
    return this.#chain("||", "or", () => this.#and(depth));
  }

  /** The next token, which must be of this type. */
  take(type: TokenType, expected: string = named(type)): Token {
    const token = this.#peek();
    if (token.type !== type) throw this.#unexpected(`Expected ${expected}.`);
    this.#at += 1;
    return token;
  }

  #and(depth: number): Selector {
    return this.#chain("&&", "and", () => this.#unary(depth));
  }

  #chain(operator: "&&" | "||", type: "and" | "or", next: () => Selector): Selector {
    const first = next();
    if (!this.#skip(operator)) return first;
    const operands = [first, next()];
    while (this.#skip(operator)) operands.push(next());
    return { type, operands };
  }

  #unary(depth: number): Selector {
    if (depth > maxDepth) {
      const { column } = this.#peek();
      throw new SelectorError(
        "TooDeep",
        this.#text,
        column,
        `nested deeper than ${maxDepth}`,
        "Simplify the selector.",
      );
    }
    if (this.#skip("!")) return { type: "not", operand: this.#unary(depth + 1) };
    if (this.#skip("(")) {
      const inner = this.or(depth + 1);
      this.take(")", "&&, || or )");
      return inner;
    }
    const key = this.take("name", "a label key, has(), all(), ! or (").text;
    return this.#peek().type === "(" ? this.#call(key) : this.#test(key);
  }

  #call(name: string): Selector {
    if (name !== "has" && name !== "all" && name !== "global") {
      this.#at -= 1;
      throw this.#unexpected("The functions are has(key), all() and global().");
    }
    this.take("(");
    if (name !== "has") {
      this.take(")");
      return { type: name };
    }
    const key = this.take("name", "a label key").text;
    this.take(")");
    return { type: "has", key };
  }

  #test(key: string): Selector {
    if (this.#skip("==")) return { type: "equals", key, value: this.#value() };
    if (this.#skip("!=")) return { type: "notEquals", key, value: this.#value() };
    const word = this.#peek();
    if (word.type === "name") {
      if (this.#words("in")) return { type: "in", key, values: this.#set() };
      if (this.#words("not", "in")) return { type: "notIn", key, values: this.#set() };
      if (this.#words("contains")) return { type: "contains", key, value: this.#value() };
      if (this.#words("starts", "with")) return { type: "startsWith", key, value: this.#value() };
      if (this.#words("ends", "with")) return { type: "endsWith", key, value: this.#value() };
    }
    throw this.#unexpected("Expected ==, !=, in, not in, contains, starts with or ends with.");
  }

  #set(): string[] {
    this.take("{");
    if (this.#skip("}")) return [];
    const values = [this.#value()];
    while (this.#skip(",")) values.push(this.#value());
    this.take("}", ", or }");
    return values;
  }

  #value(): string {
    return this.take("string", "a value in quotes").text;
  }

  #words(...words: readonly string[]): boolean {
    const matches = words.every((word, i) => {
      const token = this.#tokens[this.#at + i];
      return token?.type === "name" && token.text === word;
    });
    if (matches) this.#at += words.length;
    return matches;
  }

  #skip(type: TokenType): boolean {
    if (this.#peek().type !== type) return false;
    this.#at += 1;
    return true;
  }

  #peek(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #unexpected(remedy: string): SelectorError {
    const { type, text, column } = this.#peek();
    const found = type === "end" ? "the selector ends here" : `"${text}" does not fit here`;
    return new SelectorError("UnexpectedToken", this.#text, column, found, remedy);
  }
}

function named(type: TokenType): string {
  return type === "end" ? "&&, || or the end" : type;
}
