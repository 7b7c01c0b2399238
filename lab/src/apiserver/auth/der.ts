/** Just enough of ASN.1's distinguished encoding (ITU-T X.690) to write a certificate. */

function length(size: number): Buffer {
  if (size < 128) return Buffer.of(size);
  const bytes: number[] = [];
  for (let rest = size; rest > 0; rest >>>= 8) bytes.unshift(rest & 255);
  return Buffer.of(128 | bytes.length, ...bytes);
}

const value = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), length(content.length), content]);
};

export const sequence = (...parts: readonly Uint8Array[]): Buffer => value(0x30, ...parts);
export const set = (...parts: readonly Uint8Array[]): Buffer => value(0x31, ...parts);
export const octets = (bytes: Uint8Array): Buffer => value(0x04, bytes);
export const utf8 = (text: string): Buffer => value(0x0c, Buffer.from(text));
export const boolean = (flag: boolean): Buffer => value(0x01, Buffer.of(flag ? 255 : 0));

/** `[number]` with content as it is: constructed for nested values, primitive for raw bytes. */
export const context = (number: number, content: Uint8Array, constructed = true): Buffer =>
  value((constructed ? 0xa0 : 0x80) | number, content);

/** A non-negative integer, big-endian bytes. */
export const integer = (bytes: Uint8Array): Buffer =>
  value(0x02, bytes[0]! >= 128 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);

export const bits = (bytes: Uint8Array, unused = 0): Buffer => value(0x03, Buffer.of(unused), bytes);

/** GeneralizedTime, UTC, seconds. */
export const time = (date: Date): Buffer =>
  value(0x18, Buffer.from(`${date.toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`));

export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 127];
    for (let high = arc >>> 7; high > 0; high >>>= 7) groups.unshift((high & 127) | 128);
    bytes.push(...groups);
  }
  return value(0x06, Buffer.from(bytes));
}

export const pem = (label: string, der: Uint8Array): string => {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
};
