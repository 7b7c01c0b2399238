/** Draws that are the same for the same seed. */
export interface Draws {
  /** A whole number below `bound`. */
  number(bound: number): number;
  pick<T>(from: readonly T[]): T;
}

/** A linear congruential generator (Numerical Recipes); its low bits are poor and not used. */
export function seeded(seed: number): Draws {
  let state = seed >>> 0;
  const number = (bound: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % bound;
  };
  return { number, pick: (from) => from[number(from.length)] as (typeof from)[number] };
}
