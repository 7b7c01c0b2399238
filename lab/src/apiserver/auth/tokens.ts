import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isObject, type Json, type JsonObject, listAt, numberAt, stringAt } from "../json.ts";
import type { Api, User } from "../rest/api.ts";

const issuer = "https://kubernetes.default.svc.cluster.local";
export const defaultAudience = issuer;

/** Something a service account token is bound to: it dies with it. */
export interface BoundObject {
  readonly kind: "Pod" | "Secret" | "Node";
  readonly name: string;
  readonly uid: string;
}

/** Signs and checks bearer tokens: JSON web tokens (RFC 7519) with ES256, stateless, so they outlive a restart. */
export class Tokens {
  readonly #private: KeyObject;
  readonly #public: KeyObject;
  readonly #api: Api;
  /** Signatures already verified; a token's claims never change. */
  readonly #verified = new Map<string, JsonObject>();

  constructor(api: Api, directory: string | undefined) {
    this.#api = api;
    const file = directory ? join(directory, "sa.key") : undefined;
    if (file && existsSync(file)) this.#private = createPrivateKey(readFileSync(file));
    else {
      this.#private = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
      if (file) writeFileSync(file, this.#private.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    }
    this.#public = createPublicKey(this.#private);
  }

  forUser(user: string, groups: readonly string[]): string {
    return this.#sign({ iss: issuer, sub: user, "fairlead.dev/groups": [...groups] });
  }

  /** A service account token as the TokenRequest API issues them. Times in seconds. */
  forServiceAccount(
    account: { readonly namespace: string; readonly name: string; readonly uid: string },
    options: {
      readonly audiences: readonly string[];
      readonly seconds: number;
      readonly bound?: BoundObject;
    },
  ): { token: string; expires: number } {
    const now = Math.floor(this.#api.now() / 1000);
    const expires = now + options.seconds;
    const bound = options.bound;
    const token = this.#sign({
      aud: [...options.audiences],
      exp: expires,
      iat: now,
      nbf: now,
      iss: issuer,
      sub: `system:serviceaccount:${account.namespace}:${account.name}`,
      "kubernetes.io": {
        namespace: account.namespace,
        serviceaccount: { name: account.name, uid: account.uid },
        ...(bound ? { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } } : {}),
      },
    });
    return { token, expires };
  }

  /** Whom a token speaks for; undefined: not valid, expired, or what it was bound to is gone. */
  authenticate(token: string, audiences: readonly string[] = [defaultAudience]): User | undefined {
    const claims = this.#claims(token);
    if (!claims) return undefined;
    const account = claims["kubernetes.io"];
    const subject = stringAt(claims, "sub") ?? "";
    if (!isObject(account)) {
      const groups = listAt(claims, "fairlead.dev/groups").map(String);
      return { name: subject, groups: [...groups, "system:authenticated"] };
    }
    const seconds = this.#api.now() / 1000;
    if ((numberAt(claims, "exp") ?? 0) <= seconds) return undefined;
    if (!listAt(claims, "aud").some((audience) => audiences.includes(String(audience)))) return undefined;
    const namespace = stringAt(account, "namespace") ?? "";
    const name = stringAt(account, "serviceaccount", "name") ?? "";
    const uid = stringAt(account, "serviceaccount", "uid") ?? "";
    if (!this.#exists("/serviceaccounts", namespace, name, uid)) return undefined;
    const extra: { [key: string]: string[] } = {};
    for (const [kind, storage] of boundKinds) {
      const bound = account[kind];
      if (!isObject(bound)) continue;
      const [boundName, boundUid] = [String(bound.name), String(bound.uid)];
      if (!this.#exists(storage, kind === "node" ? "" : namespace, boundName, boundUid)) return undefined;
      extra[`authentication.kubernetes.io/${kind}-name`] = [boundName];
      extra[`authentication.kubernetes.io/${kind}-uid`] = [boundUid];
    }
    return {
      name: subject,
      uid,
      groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
      ...(Object.keys(extra).length > 0 ? { extra } : {}),
    };
  }

  #exists(storage: string, namespace: string, name: string, uid: string): boolean {
    return this.#api.get(storage, namespace, name)?.metadata.uid === uid;
  }

  #sign(claims: JsonObject): string {
    const head = encode({ alg: "ES256", typ: "JWT" });
    const body = `${head}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(body), { key: this.#private, dsaEncoding: "ieee-p1363" });
    return `${body}.${signature.toString("base64url")}`;
  }

  #claims(token: string): JsonObject | undefined {
    const known = this.#verified.get(token);
    if (known) return known;
    const [head, body, signature, more] = token.split(".");
    if (!head || !body || !signature || more !== undefined) return undefined;
    const key = { key: this.#public, dsaEncoding: "ieee-p1363" } as const;
    if (!verify("sha256", Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url")))
      return undefined;
    const claims: Json = JSON.parse(Buffer.from(body, "base64url").toString());
    if (!isObject(claims)) return undefined;
    if (this.#verified.size > 10_000) this.#verified.clear();
    this.#verified.set(token, claims);
    return claims;
  }
}

const boundKinds = [
  ["pod", "/pods"],
  ["secret", "/secrets"],
  ["node", "/nodes"],
] as const;

const encode = (value: JsonObject): string => Buffer.from(JSON.stringify(value)).toString("base64url");
