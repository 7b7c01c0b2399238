export { type Faults, faultsAnnotation } from "./faults.ts";
export { installKubevirt } from "./install.ts";
export type { JournalEntry } from "./journal.ts";
export { annotations as kubevirtAnnotations, componentNamespace, labels as kubevirtLabels } from "./names.ts";
