export * from "./errors.ts";
export * from "./resources.ts";
export * from "./store.ts";
export * from "./workload-types.ts";
