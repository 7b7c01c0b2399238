/** Hardware addresses as text (`ee:ee:ee:ee:ee:ee`, lower case) and as 6 bytes. */
import { NetlinkError } from "./error.ts";

/** Throws `Invalid`. */
export function parseMac(text: string): Buffer {
  if (/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return Buffer.from(text.replaceAll(":", ""), "hex");
  throw new NetlinkError({
    code: "Invalid",
    operation: "parse MAC address",
    object: JSON.stringify(text),
    advice: "Write six bytes in hexadecimal: 52:54:00:12:34:56",
  });
}

/** `02:00:00:00:00:01` from six bytes. */
export const formatMac = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
