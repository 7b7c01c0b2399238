import { z } from "zod";
import { parseSelector } from "../selector/parse.ts";
import { SelectorError } from "../selector/selector-error.ts";

/** A selector in the language of `parseSelector`. */
export const selector = z.string().superRefine((text, context) => {
  try {
    parseSelector(text);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    context.addIssue({
      code: "custom",
      message: (error.message.split("\n")[0] ?? "").replace(`. ${error.remedy}`, ""),
      params: { remedy: error.remedy },
    });
  }
});
