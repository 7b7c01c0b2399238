/** Why a call failed. The set is closed: switch over it. */
export type ApiErrorCode =
  | "NotFound"
  | "NotServed"
  | "AlreadyExists"
  | "Conflict"
  | "Gone"
  | "Invalid"
  | "BadRequest"
  | "Forbidden"
  | "Unauthorized"
  | "TooManyRequests"
  | "Unavailable"
  | "Timeout";

/** The `Status` object with which the API server explains a failure. */
export interface Status {
  kind?: "Status";
  apiVersion?: "v1";
  status?: "Success" | "Failure";
  code?: number;
  reason?: string;
  message?: string;
  details?: {
    name?: string;
    group?: string;
    kind?: string;
    uid?: string;
    retryAfterSeconds?: number;
    causes?: { reason?: string; message?: string; field?: string }[];
  };
}

/** What to do next, per code. Part of every error message. */
export const remedies: Readonly<Record<ApiErrorCode, string>> = {
  NotFound: "Check the name and the namespace.",
  NotServed:
    "Install the CustomResourceDefinition, or wait until it is back: nobody can say now which objects of the kind exist.",
  AlreadyExists: "Read the existing object and update that one.",
  Conflict: "Somebody else wrote first: read the object again, reapply the change, and retry.",
  Gone: "The revision is no longer kept: list again and watch from the new resourceVersion.",
  Invalid: "Correct the fields named in the message.",
  BadRequest: "The request itself is malformed: this is a mistake of the caller, not of the cluster.",
  Forbidden:
    "Grant the verb on this resource to the identity in use (see deploy/ for the roles Fairlead needs).",
  Unauthorized: "Renew the credentials: token, client certificate or kubeconfig.",
  TooManyRequests: "Wait for retryAfterSeconds, then retry.",
  Unavailable: "Check that the API server is up and reachable, then retry.",
  Timeout: "The outcome is unknown: read the object before repeating a write.",
};

const byReason: Readonly<Record<string, ApiErrorCode>> = {
  NotFound: "NotFound",
  AlreadyExists: "AlreadyExists",
  Conflict: "Conflict",
  Gone: "Gone",
  Expired: "Gone",
  Invalid: "Invalid",
  BadRequest: "BadRequest",
  MethodNotAllowed: "BadRequest",
  NotAcceptable: "BadRequest",
  UnsupportedMediaType: "BadRequest",
  RequestEntityTooLarge: "BadRequest",
  Forbidden: "Forbidden",
  Unauthorized: "Unauthorized",
  TooManyRequests: "TooManyRequests",
  Timeout: "Timeout",
  ServerTimeout: "Timeout",
  ServiceUnavailable: "Unavailable",
  InternalError: "Unavailable",
};

const byHttpStatus: Readonly<Record<number, ApiErrorCode>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "BadRequest",
  406: "BadRequest",
  408: "Timeout",
  409: "Conflict",
  410: "Gone",
  413: "BadRequest",
  415: "BadRequest",
  422: "Invalid",
  429: "TooManyRequests",
  504: "Timeout",
};

/** What is known beside the code. */
export interface ApiErrorOptions {
  readonly status?: Status | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

const brand = Symbol.for("@fairlead/api.ApiError");

/** Every failed call of an {@link ApiClient} throws this. `code` says why, `remedy` what to do next. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ApiErrorCode;
  /** The server's own words, when it answered. */
  readonly status: Status | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly remedy: string;

  constructor(code: ApiErrorCode, message: string, options: ApiErrorOptions = {}) {
    super(`${message} (${code}). ${remedies[code]}`, { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.retryAfterSeconds = options.retryAfterSeconds ?? options.status?.details?.retryAfterSeconds;
    this.remedy = remedies[code];
    Object.defineProperty(this, brand, { value: true });
  }

  /**
   * Translates the server's answer. `request` names what was asked, for the message.
   *
   * A 404 means that an object does not exist only if it names that object in `details`, as the storage of a served kind does
   * (`NewNotFound` in k8s.io/apimachinery). A server that serves no such kind answers with a Status without details
   * (k8s.io/apiserver, notfoundhandler), an older one with the plain text `404 page not found`, a proxy with anything.
   */
  static fromStatus(
    request: string,
    httpStatus: number,
    status?: Status,
    retryAfterSeconds?: number,
  ): ApiError {
    const known =
      byReason[status?.reason ?? ""] ??
      byHttpStatus[httpStatus] ??
      (httpStatus >= 500 ? "Unavailable" : "BadRequest");
    const code = known === "NotFound" && !status?.details?.name ? "NotServed" : known;
    const message = status?.message ?? `the server answered ${httpStatus}`;
    return new ApiError(code, `${request}: ${message}`, { status, retryAfterSeconds });
  }
}

/** True for an ApiError of one of these codes (or of any, when none is given), also across duplicate copies of the package. */
export function isApiError(error: unknown, ...codes: readonly ApiErrorCode[]): error is ApiError {
  if (typeof error !== "object" || error === null || !(brand in error)) return false;
  return codes.length === 0 || codes.includes((error as unknown as ApiError).code);
}
