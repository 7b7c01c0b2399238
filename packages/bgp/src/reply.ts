import { BgpError } from "./error.ts";

/** One line of a reply: a four-digit code says what kind of line it is (BIRD's `reply_codes`). */
export interface ReplyLine {
  readonly code: number;
  readonly text: string;
}

/**
 * Cuts BIRD's line protocol into replies. `1234-text` has more lines after it, `1234 text` is the last one, ` text` continues
 * with the code before it, and `+text` is a message nobody asked for.
 */
export class ReplyReader {
  #rest = "";
  #lines: ReplyLine[] = [];

  /** Takes what arrived, returns the replies it completes. @throws BgpError `UnexpectedReply` */
  push(chunk: string): ReplyLine[][] {
    const replies: ReplyLine[][] = [];
    const parts = (this.#rest + chunk).split("\n");
    this.#rest = parts.pop() ?? "";
    if (this.#rest.length > 1_000_000) throw unexpected(this.#rest.slice(0, 80));
    for (const line of parts) {
      if (line.startsWith("+")) continue;
      if (line.startsWith(" ")) {
        const code = this.#lines.at(-1)?.code;
        if (code === undefined) throw unexpected(line);
        this.#lines.push({ code, text: line.slice(1) });
        continue;
      }
      const match = /^(\d{4})([ -])(.*)$/.exec(line);
      if (match === null) throw unexpected(line);
      this.#lines.push({ code: Number(match[1]), text: match[3] ?? "" });
      if (match[2] === " ") {
        replies.push(this.#lines);
        this.#lines = [];
      }
    }
    return replies;
  }
}

function unexpected(line: string): BgpError {
  return new BgpError(
    "UnexpectedReply",
    `${JSON.stringify(line.slice(0, 80))} is no line of BIRD's control protocol; check that the socket is BIRD's`,
  );
}
