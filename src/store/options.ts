/** A Redis or Valkey that gateways share, and how to reach it. */
export interface SharedStoreOptions {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Undefined for plaintext. */
  readonly tls: { readonly ca: Buffer | undefined } | undefined;
  /** Milliseconds that one round trip may take before nobody waits for it any more. */
  readonly timeoutMs: number;
}
