export * from "./virtual-machine.ts";
export * from "./virtual-machine-instance.ts";
export * from "./virtual-machine-instance-migration.ts";
