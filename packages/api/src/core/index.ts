export * from "./cluster-network-policy.ts";
export * from "./custom-resource-definition.ts";
export * from "./event.ts";
export * from "./namespace.ts";
export * from "./network-policy.ts";
export * from "./node.ts";
export * from "./pod.ts";
export * from "./service.ts";
