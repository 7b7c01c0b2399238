import { type FieldError, fieldError } from "../status.ts";

const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** What object names look like; most are DNS subdomains, RBAC names may contain anything but path characters. */
export type NameRule = "subdomain" | "label" | "path";

export function validateName(name: string, rule: NameRule, field = "metadata.name"): FieldError[] {
  if (name === "") return [fieldError.required(field, "name or generateName is required")];
  if (rule === "path") {
    if (name === "." || name === "..") return [fieldError.invalid(field, name, `may not be '${name}'`)];
    const bad = ["/", "%"].find((character) => name.includes(character));
    return bad ? [fieldError.invalid(field, name, `may not contain '${bad}'`)] : [];
  }
  const [max, pattern, message] =
    rule === "label"
      ? [63, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, label]
      : [253, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, subdomain];
  const errors: FieldError[] = [];
  if (name.length > (max as number))
    errors.push(fieldError.invalid(field, name, `must be no more than ${max} characters`));
  if (!(pattern as RegExp).test(name)) errors.push(fieldError.invalid(field, name, message as string));
  return errors;
}

const qualifiedName = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const nameHint =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const valueHint =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

export function validateLabels(labels: { readonly [key: string]: string }, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels)) {
    if (!qualifiedName.test(key)) errors.push(fieldError.invalid(field, key, nameHint));
    if (value.length > 63)
      errors.push(fieldError.invalid(field, value, "must be no more than 63 characters"));
    else if (!labelValue.test(value)) errors.push(fieldError.invalid(field, value, valueHint));
  }
  return errors;
}

export function validateAnnotations(annotations: { readonly [key: string]: string }): FieldError[] {
  const field = "metadata.annotations";
  const errors: FieldError[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    if (!qualifiedName.test(key.toLowerCase())) errors.push(fieldError.invalid(field, key, nameHint));
    size += key.length + value.length;
  }
  if (size > 262144) errors.push(fieldError.tooLong(field, 262144));
  return errors;
}

const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";

/** The name a server makes from `generateName`. */
export function generateName(base: string): string {
  let name = base.slice(0, 58);
  for (let i = 0; i < 5; i++) name += suffixAlphabet[Math.floor(Math.random() * suffixAlphabet.length)];
  return name;
}
