import type { Environment } from "@marcbachmann/cel-js";

/** apimachinery's resource.Quantity, exact in billionths. */
class Quantity {
  readonly nano: bigint;

  constructor(nano: bigint) {
    this.nano = nano;
  }

  get isInteger(): boolean {
    return this.nano % unit === 0n;
  }
}

const unit = 10n ** 9n;
const suffixes: { readonly [suffix: string]: bigint } = {
  n: 1n,
  u: 10n ** 3n,
  m: 10n ** 6n,
  "": unit,
  k: 10n ** 12n,
  M: 10n ** 15n,
  G: 10n ** 18n,
  T: 10n ** 21n,
  P: 10n ** 24n,
  E: 10n ** 27n,
  Ki: 2n ** 10n * unit,
  Mi: 2n ** 20n * unit,
  Gi: 2n ** 30n * unit,
  Ti: 2n ** 40n * unit,
  Pi: 2n ** 50n * unit,
  Ei: 2n ** 60n * unit,
};
const layout = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/;

function parse(text: string): Quantity | undefined {
  const match = layout.exec(text);
  if (!match) return undefined;
  const [, sign, whole = "", fraction = "", exponent, suffix = ""] = match;
  if (whole + fraction === "") return undefined;
  const power = Number(exponent ?? 0) - fraction.length;
  const scaled = BigInt(whole + fraction) * suffixes[suffix]! * 10n ** BigInt(Math.max(0, power));
  const divisor = 10n ** BigInt(Math.max(0, -power));
  // Rounded away from zero, as apimachinery does.
  const nano = (scaled + divisor - 1n) / divisor;
  return new Quantity(sign === "-" ? -nano : nano);
}

function quantity(text: string): Quantity {
  const parsed = parse(text);
  if (parsed === undefined)
    throw new Error(`quantities must match the regular expression '${layout.source}'`);
  return parsed;
}

function asInteger(value: Quantity): bigint {
  if (!value.isInteger) throw new Error("cannot convert value to integer");
  return value.nano / unit;
}

const compare = (a: Quantity, b: Quantity): bigint => (a.nano < b.nano ? -1n : a.nano > b.nano ? 1n : 0n);

/** Kubernetes' quantity library. */
export function addQuantityFunctions(environment: Environment): void {
  const method = (signature: string, handler: (a: Quantity, b: Quantity) => unknown) =>
    environment.registerFunction(`kubernetes.Quantity.${signature}`, handler);
  environment
    .registerType("kubernetes.Quantity", { ctor: Quantity, fields: {} })
    .registerFunction("quantity(string): kubernetes.Quantity", quantity)
    .registerFunction("isQuantity(string): bool", (text: string) => parse(text) !== undefined)
    .registerOperator(
      "kubernetes.Quantity == kubernetes.Quantity",
      (a: Quantity, b: Quantity) => a.nano === b.nano,
    );
  method("sign(): int", (a) => compare(a, new Quantity(0n)));
  method("isInteger(): bool", (a) => a.isInteger);
  method("asInteger(): int", asInteger);
  method("asApproximateFloat(): double", (a) => Number(a.nano) / 1e9);
  method("add(kubernetes.Quantity): kubernetes.Quantity", (a, b) => new Quantity(a.nano + b.nano));
  method("sub(kubernetes.Quantity): kubernetes.Quantity", (a, b) => new Quantity(a.nano - b.nano));
  method("compareTo(kubernetes.Quantity): int", compare);
  method("isLessThan(kubernetes.Quantity): bool", (a, b) => a.nano < b.nano);
  method("isGreaterThan(kubernetes.Quantity): bool", (a, b) => a.nano > b.nano);
}
