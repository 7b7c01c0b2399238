/**
 * Every reason for which the address manager refuses, with what to do next. Written once, used by the error class and the README.
 */
export const remedies = {
  NoPools: "Create an IPPool.",
  NoQualifiedPool:
    "Compare nodeSelector, namespaceSelector, allowedUses, assignmentMode and disabled of the pools with this node and namespace.",
  PoolNotFound: "Name an existing, enabled IPPool of this address family (by name or CIDR).",
  PoolInvalid: "Correct the field named in the message.",
  AddressInvalid: "Write a single IPv4 or IPv6 address, in the list of its own family.",
  AddressNotInPool: "Choose an address inside an enabled IPPool, or enable the pool.",
  AddressInUse: "Choose another address, or see who holds it: fairleadctl ipam show --ip=<address>.",
  AddressCoolingDown: "Wait until ipCooldownSeconds have passed, or choose another address.",
  AddressesExhausted:
    "Add an IPPool, release leaked addresses (fairleadctl ipam check), or raise maxBlocksPerHost.",
  BlockLimit:
    "Raise maxBlocksPerHost in the IPAMConfiguration, or allow borrowing by switching strictAffinity off.",
  StrictAffinity: "Take the address on the node that has its block, or switch strictAffinity off.",
  NotAllocated: "Nothing to do if it was to be released; otherwise read the present state first.",
  HandleMismatch: "Read the present holder first: fairleadctl ipam show --ip=<address>.",
  SequenceMismatch: "The address was given to somebody else in between. Read the present state first.",
  HandleLimit: "Release the addresses the handle has before asking for another one.",
  HandleNotFound: "Nothing to do if it was to be released; otherwise check the network name and the VM name.",
  OwnerConflict: "Read the owners again; the ownership changed in between.",
  OwnedByNewerPod: "Nothing to do: a newer pod of the VM has the address. The old pod has to end.",
  OwnerUndecided:
    "Delete the other pod, or wait until its deletion is complete; then this pod gets the address.",
  AlternateOwnerEmpty: "Check that the pod is a migration target whose CNI ADD has succeeded.",
  AlternateOwnerMismatch: "Promote the pod that is recorded as target, or wait for its migration to end.",
  NoAddressForTarget: "Restart the VM once while address persistence is Enabled; then it can migrate.",
  PersistenceDisabled: "Switch persistence on: fairleadctl ipam configure --kubevirt-ip-persistence=Enabled.",
  RequestChanged:
    "Undo the change of the annotation, or give the old address up first: stop the VM, fairleadctl ipam release --ip=<address>.",
  PreviousVmPresent:
    "Delete the other VM of this name and its pod, or give this one another name; a stopped VM keeps its address.",
  HandleCollision:
    "Rename the VM, its namespace or the network: another owner's address stands under this name. A pod made anew gets another container ID.",
  GuestElsewhere: "Nothing to do: KubeVirt says that the VM runs in another pod, and removes this one.",
  ObjectCorrupt:
    "Fairlead does not touch it. Repair or delete the object by hand, then run fairleadctl ipam check.",
  ConfigurationInvalid: "Correct the field named in the message.",
  RequestInvalid: "This is a mistake of the caller: correct the field named in the message.",
  DatastoreNotLocked: "Lock the datastore first: calicoctl datastore migrate lock.",
  ReportMismatch: "Write a new report with fairleadctl ipam check -o, or pass --force.",
  KubeVirtMissing:
    "Wait until KubeVirt's definitions are back. If KubeVirt was removed for good, release what its VMs had by hand: fairleadctl ipam release --ip=<address>.",
  TooManyConflicts: "Many writers compete for one object. Retry.",
  DatastoreRefused:
    "Correct what the cause names: a missing role (see deploy/) or an object the API server does not accept.",
  DatastoreUnavailable:
    "Check that the API server is up and reachable, then retry. Nothing is lost: a repeated call finds what was done.",
} as const;

/** Why the address manager refuses. */
export type IpamErrorCode = keyof typeof remedies;

const brand = Symbol.for("@fairlead/ipam.IpamError");

/** What an error is about. */
export interface IpamErrorOptions {
  readonly cause?: unknown;
  /** What the error is about, for example `IPAMBlock 10-0-0-0-26`. */
  readonly object?: string | undefined;
  /** Path of the offending field, for example `spec.allocations[3]`. */
  readonly field?: string | undefined;
}

/** The one error class of this package. `code` is for programs, `message` and `remedy` for people. */
export class IpamError extends Error {
  override readonly name = "IpamError";
  readonly code: IpamErrorCode;
  readonly remedy: string;
  readonly object: string | undefined;
  readonly field: string | undefined;

  constructor(code: IpamErrorCode, message: string, options: IpamErrorOptions = {}) {
    const where = [options.object, options.field].filter(Boolean).join(" ");
    super(`${where ? `${where}: ` : ""}${message} (${code}). ${remedies[code]}`, { cause: options.cause });
    this.code = code;
    this.remedy = remedies[code];
    this.object = options.object;
    this.field = options.field;
    Object.defineProperty(this, brand, { value: true });
  }

  /** True when trying again later, unchanged, may succeed. */
  get retryable(): boolean {
    return retryable.has(this.code);
  }
}

const retryable: ReadonlySet<IpamErrorCode> = new Set([
  "AddressesExhausted",
  "AddressCoolingDown",
  "OwnerConflict",
  "OwnerUndecided",
  "PreviousVmPresent",
  "TooManyConflicts",
  "DatastoreUnavailable",
  "KubeVirtMissing",
]);

/** True for an IpamError with one of these codes (any code when none is given), also across duplicate copies of this package. */
export function isIpamError(error: unknown, ...codes: readonly IpamErrorCode[]): error is IpamError {
  return (
    typeof error === "object" &&
    error !== null &&
    brand in error &&
    (codes.length === 0 || ("code" in error && (codes as readonly unknown[]).includes(error.code)))
  );
}
