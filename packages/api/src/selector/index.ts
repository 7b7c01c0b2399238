export { compileSelector, compileSelectorOver, evaluateSelector, type LabelReader } from "./compile.ts";
export { canonicalSelector, formatSelector } from "./format.ts";
export { parseSelector } from "./parse.ts";
export { type LabelTest, labelKeys, namespaceLabel, type Selector } from "./selector.ts";
export { SelectorError, type SelectorErrorCode } from "./selector-error.ts";
