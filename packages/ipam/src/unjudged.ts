/** Addresses that could not be judged, and why, told in one sentence per reason. */
export class Unjudged {
  readonly #addresses = new Map<string, string[]>();

  add(address: string, error: unknown) {
    const reason = error instanceof Error ? error.message : String(error);
    const beside = this.#addresses.get(reason);
    if (beside) beside.push(address);
    else this.#addresses.set(reason, [address]);
  }

  problems(): string[] {
    return [...this.#addresses].map(([reason, [first, ...others]]) => {
      const which = others.length > 0 ? `${first} and ${others.length} more` : first;
      return `${which} cannot be judged: ${reason}`;
    });
  }
}
