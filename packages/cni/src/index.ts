/**
 * The CNI plug-in of Fairlead: the protocol, ADD, DEL, CHECK, GC and STATUS over components given by interface, the server the
 * messenger talks to, and the wiring of a pod.
 *
 * @packageDocumentation
 */
export { type AddressWishes, type Annotations, readWishes } from "./annotations.ts";
export type {
  Attachment,
  AttachmentKey,
  AttachmentStep,
  AttachmentStore,
  Inheritance,
} from "./attachment.ts";
export { type AttachmentFilesOptions, openAttachmentFiles } from "./attachment-files.ts";
export {
  type BeenReady,
  type BeenReadyOptions,
  type BootNote,
  type BootNoteOptions,
  openBeenReady,
  openBootNote,
} from "./been-ready.ts";
export { type Cni, createCni } from "./cni.ts";
export type {
  CniComponents,
  DepartingWorkload,
  Endpoints,
  Identity,
  Log,
  PodAnnotator,
  Readiness,
  Workload,
} from "./components.ts";
export { type NetworkConfig, parseConfig } from "./config.ts";
export {
  type ConflistSettings,
  conflistName,
  isWhole,
  pluginTypes,
  renderConflist,
  updateConflist,
} from "./conflist.ts";
export {
  openStatusFiles,
  removeEndpointStatus,
  statusFileName,
  writeEndpointStatus,
} from "./endpoint-status.ts";
export { CniError, type CniErrorCode, type CniErrorResult, cniErrorNumbers } from "./error.ts";
export {
  type Answer,
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  FrameError,
} from "./frame.ts";
export {
  gateway4,
  gateway6,
  hostInterfaceName,
  hostInterfaceNames,
  hostMac,
  vmMac,
} from "./interface-name.ts";
export type { Absence } from "./lingering.ts";
export { buildMessenger, installMessenger, messengerNames } from "./messenger.ts";
export {
  type CniRequest,
  type Command,
  type PodReference,
  parseRequest,
  type RawRequest,
} from "./request.ts";
export { addressesOf, asHostPrefix, type CniResult, formatResult, type WiredInterface } from "./result.ts";
export { isSamePod, type PodName, podKey } from "./sandboxes.ts";
export { type CniServer, type CniServerOptions, serveCni } from "./server.ts";
export {
  createStateFiles,
  type Disk,
  type FileReport,
  readSmallFile,
  type StateFiles,
  type StateFilesOptions,
} from "./state-files.ts";
export { createThreadedWiring } from "./threaded-wiring.ts";
export { type Part, parts, type Timing } from "./timing.ts";
export { type CniVersion, parseVersion, supportedVersions } from "./version.ts";
export type { HostEnd, UnwiringRequest, Wired, Wiring, WiringQuery, WiringRequest } from "./wiring.ts";
export type { LinuxWiringOptions } from "./wiring-linux.ts";
