export { GuestError } from "./error.ts";
export { type GuestImage, guestImage, readyMarker } from "./image.ts";
export { fetchKernel, type GuestKernel } from "./kernel.ts";
export { kernelCommandLine } from "./kernel-command-line.ts";
