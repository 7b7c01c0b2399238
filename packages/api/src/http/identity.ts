import type { RequestOptions } from "node:https";

/** What a TLS connection is opened with. */
export type TlsOptions = Pick<
  RequestOptions,
  "ca" | "cert" | "key" | "pfx" | "passphrase" | "servername" | "rejectUnauthorized"
>;

/** Who we are, apart from the server. */
export interface Identity {
  readonly tls: TlsOptions;
  readonly headers: Readonly<Record<string, string>>;
}
