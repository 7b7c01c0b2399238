import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import ipaddr from "ipaddr.js";
import * as der from "./der.ts";

export interface ServingCertificate {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

interface Request {
  readonly subject: string;
  readonly issuer: string;
  readonly subjectKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly extensions: readonly Buffer[];
}

const caName = "fairlead-lab-ca";
const day = 24 * 3600 * 1000;
const ecdsaWithSha256 = der.sequence(der.objectId("1.2.840.10045.4.3.2"));

/** A certificate authority and a serving certificate for these host names and addresses; the authority is kept in `directory` if given. */
export function servingCertificate(
  hosts: readonly string[],
  directory: string | undefined,
): ServingCertificate {
  const authority = loadAuthority(directory);
  const key = newKey();
  const certPem = certificate({
    subject: "kube-apiserver",
    issuer: caName,
    subjectKey: key,
    signingKey: authority.key,
    extensions: [
      keyUsage(0x80, 7),
      extension("2.5.29.37", false, der.sequence(der.objectId("1.3.6.1.5.5.7.3.1"))),
      extension("2.5.29.17", false, der.sequence(...hosts.map(alternativeName))),
    ],
  });
  return { caPem: authority.pem, certPem, keyPem: keyPem(key) };
}

function loadAuthority(directory: string | undefined): { readonly pem: string; readonly key: KeyObject } {
  const certFile = directory && join(directory, "ca.crt");
  const keyFile = directory && join(directory, "ca.key");
  if (certFile && keyFile && existsSync(certFile) && existsSync(keyFile))
    return { pem: readFileSync(certFile, "utf8"), key: createPrivateKey(readFileSync(keyFile)) };
  const key = newKey();
  const pem = certificate({
    subject: caName,
    issuer: caName,
    subjectKey: key,
    signingKey: key,
    extensions: [extension("2.5.29.19", true, der.sequence(der.boolean(true))), keyUsage(0x06, 1)],
  });
  if (certFile && keyFile) {
    writeFileSync(keyFile, keyPem(key), { mode: 0o600 });
    writeFileSync(certFile, pem);
  }
  return { pem, key };
}

/** RFC 5280 section 4.1. */
function certificate({ subject, issuer, subjectKey, signingKey, extensions }: Request): string {
  const now = Date.now();
  const serial = randomBytes(8);
  serial[0] = (serial[0]! & 0x7f) | 1;
  const body = der.sequence(
    der.context(0, der.integer(Buffer.of(2))),
    der.integer(serial),
    ecdsaWithSha256,
    commonName(issuer),
    der.sequence(der.time(new Date(now - day)), der.time(new Date(now + 3650 * day))),
    commonName(subject),
    createPublicKey(subjectKey).export({ type: "spki", format: "der" }),
    der.context(3, der.sequence(...extensions)),
  );
  const signature = sign("sha256", body, signingKey);
  return der.pem("CERTIFICATE", der.sequence(body, ecdsaWithSha256, der.bits(signature)));
}

const newKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

const keyPem = (key: KeyObject): string => key.export({ type: "pkcs8", format: "pem" }).toString();

const commonName = (name: string): Buffer =>
  der.sequence(der.set(der.sequence(der.objectId("2.5.4.3"), der.utf8(name))));

const extension = (id: string, critical: boolean, content: Buffer): Buffer =>
  der.sequence(der.objectId(id), ...(critical ? [der.boolean(true)] : []), der.octets(content));

const keyUsage = (flags: number, unusedBits: number): Buffer =>
  extension("2.5.29.15", true, der.bits(Buffer.of(flags), unusedBits));

const alternativeName = (host: string): Buffer =>
  isIP(host) === 0
    ? der.context(2, Buffer.from(host), false)
    : der.context(7, Uint8Array.from(ipaddr.parse(host).toByteArray()), false);
