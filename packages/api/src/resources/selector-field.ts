import { z } from "zod";

/** A selector in the language of `parseSelector`. */
export const selector = z.string();
