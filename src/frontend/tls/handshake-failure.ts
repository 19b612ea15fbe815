/** Why a handshake came to nothing: a bounded set, for a label. */
export const handshakeFailures = [
  "client_certificate",
  "alpn",
  "timeout",
  "version",
  "gone",
  "other",
] as const;

export type HandshakeFailure = (typeof handshakeFailures)[number];

const byCode: Readonly<Record<string, HandshakeFailure>> = {
  ERR_SSL_NO_APPLICATION_PROTOCOL: "alpn",
  ERR_TLS_HANDSHAKE_TIMEOUT: "timeout",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "version",
  ERR_SSL_NO_SHARED_CIPHER: "version",
  ECONNRESET: "gone",
};

/** By what node:tls says of it. */
export function handshakeFailure(error: NodeJS.ErrnoException): HandshakeFailure {
  return byCode[error.code ?? ""] ?? "other";
}
