import { type JsonObject, stringifyJson } from "./json.ts";

/** Why a request failed, in the words of metav1.StatusReason. */
export type Reason =
  | "BadRequest"
  | "Unauthorized"
  | "Forbidden"
  | "NotFound"
  | "MethodNotAllowed"
  | "NotAcceptable"
  | "AlreadyExists"
  | "Conflict"
  | "Expired"
  | "Gone"
  | "RequestEntityTooLarge"
  | "UnsupportedMediaType"
  | "Invalid"
  | "TooManyRequests"
  | "InternalError"
  | "Timeout";

const codes: Record<Reason, number> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  Gone: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  Timeout: 504,
};

export type Cause = { reason?: string; message?: string; field?: string };

export type Details = {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: Cause[];
  retryAfterSeconds?: number;
};

/** A request failed; `toStatus` is the metav1.Status a client sees. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: Reason;
  readonly details: Details | undefined;

  constructor(code: Reason, message: string, details?: Details) {
    super(message);
    this.code = code;
    this.details = details;
  }

  get httpCode(): number {
    return codes[this.code];
  }

  toStatus(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.code,
      ...(this.details ? { details: this.details as JsonObject } : {}),
      code: this.httpCode,
    };
  }
}

/** The names a message needs of a resource. */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
}

const qualified = (resource: ResourceName): string =>
  resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;

const details = (resource: ResourceName, name: string): Details => ({
  name,
  ...(resource.group === "" ? {} : { group: resource.group }),
  kind: resource.plural,
});

export const notFound = (resource: ResourceName, name: string): StatusError =>
  new StatusError("NotFound", `${qualified(resource)} "${name}" not found`, details(resource, name));

export const alreadyExists = (resource: ResourceName, name: string): StatusError =>
  new StatusError(
    "AlreadyExists",
    `${qualified(resource)} "${name}" already exists`,
    details(resource, name),
  );

export const conflict = (
  resource: ResourceName,
  name: string,
  why = "the object has been modified; please apply your changes to the latest version and try again",
): StatusError =>
  new StatusError(
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    details(resource, name),
  );

export const forbidden = (resource: ResourceName, name: string, why: string): StatusError =>
  new StatusError(
    "Forbidden",
    `${qualified(resource)}${name === "" ? "" : ` "${name}"`} is forbidden: ${why}`,
    details(resource, name),
  );

export const badRequest = (message: string): StatusError => new StatusError("BadRequest", message);

/** One field that is wrong, as k8s.io/apimachinery/pkg/util/validation/field prints it. */
export interface FieldError {
  readonly reason:
    | "FieldValueRequired"
    | "FieldValueInvalid"
    | "FieldValueNotSupported"
    | "FieldValueDuplicate"
    | "FieldValueForbidden"
    | "FieldValueTooLong"
    | "FieldValueTooMany"
    | "FieldValueTypeInvalid"
    | "FieldValueNotFound";
  readonly field: string;
  readonly message: string;
}

const shown = (value: unknown): string => (value === undefined ? "null" : stringifyJson(value as object));

export const fieldError = {
  required: (field: string, detail = ""): FieldError => ({
    reason: "FieldValueRequired",
    field,
    message: detail === "" ? "Required value" : `Required value: ${detail}`,
  }),
  invalid: (field: string, value: unknown, detail: string): FieldError => ({
    reason: "FieldValueInvalid",
    field,
    message: `Invalid value: ${shown(value)}: ${detail}`,
  }),
  type: (field: string, value: unknown, detail: string): FieldError => ({
    reason: "FieldValueTypeInvalid",
    field,
    message: `Invalid value: ${shown(value)}: ${detail}`,
  }),
  notSupported: (field: string, value: unknown, supported: readonly unknown[]): FieldError => ({
    reason: "FieldValueNotSupported",
    field,
    message: `Unsupported value: ${shown(value)}: supported values: ${supported.map(shown).join(", ")}`,
  }),
  duplicate: (field: string, value: unknown): FieldError => ({
    reason: "FieldValueDuplicate",
    field,
    message: `Duplicate value: ${shown(value)}`,
  }),
  forbidden: (field: string, detail: string): FieldError => ({
    reason: "FieldValueForbidden",
    field,
    message: `Forbidden: ${detail}`,
  }),
  tooLong: (field: string, max: number): FieldError => ({
    reason: "FieldValueTooLong",
    field,
    message: `Too long: may not be more than ${max} bytes`,
  }),
  tooMany: (field: string, actual: number, max: number): FieldError => ({
    reason: "FieldValueTooMany",
    field,
    message: `Too many: ${actual}: must have at most ${max} items`,
  }),
};

/** 422 with one cause per wrong field. */
export function invalid(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const lines = errors.map((e) => `${e.field}: ${e.message}`);
  const all = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  return new StatusError(
    "Invalid",
    `${kind.kind}${kind.group === "" ? "" : `.${kind.group}`} "${name}" is invalid: ${all}`,
    {
      name,
      ...(kind.group === "" ? {} : { group: kind.group }),
      kind: kind.kind,
      causes: errors.map((e) => ({ reason: e.reason, message: e.message, field: e.field })),
    },
  );
}
