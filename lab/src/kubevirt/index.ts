export { type Faults, faultsAnnotation } from "./faults.ts";
export type { JournalEntry } from "./journal.ts";
export { annotations as kubevirtAnnotations, labels as kubevirtLabels } from "./names.ts";
