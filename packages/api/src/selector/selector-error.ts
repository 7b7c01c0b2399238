/** Why a selector cannot be read. */
export type SelectorErrorCode = "UnexpectedCharacter" | "UnterminatedString" | "UnexpectedToken" | "TooDeep";

/** A selector that cannot be read. `column` counts from 1 and points at the first character that is wrong. */
export class SelectorError extends Error {
  override readonly name = "SelectorError";
  readonly code: SelectorErrorCode;
  readonly text: string;
  readonly column: number;
  /** What to do about it. */
  readonly remedy: string;

  constructor(code: SelectorErrorCode, text: string, column: number, found: string, remedy: string) {
    super(
      `selector, column ${column}: ${found}. ${remedy}\n  ${oneLine(text)}\n  ${" ".repeat(column - 1)}^`,
    );
    this.code = code;
    this.text = text;
    this.column = column;
    this.remedy = remedy;
  }
}

/** Keeps columns where they are. */
function oneLine(text: string): string {
  return text.replace(/\s/g, " ");
}
