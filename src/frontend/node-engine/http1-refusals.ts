import { Code } from "#rpc";
import { type Fields, field, fieldValues } from "../fields.ts";
import type { Refusal } from "../refusal.ts";

/** By the codes of the parser's errors. */
const parserRefusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: Code.INVALID_ARGUMENT,
    message: "the header is too large",
    reason: "header_too_large",
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: Code.CANCELLED,
    message: "the request did not arrive in time",
    reason: "request_timeout",
  },
};

const malformed: Refusal = {
  status: 400,
  code: Code.INVALID_ARGUMENT,
  message: "not a valid HTTP/1.1 request",
  reason: "malformed_header",
};

const notWebSocket: Refusal = {
  status: 400,
  code: Code.INVALID_ARGUMENT,
  message: "the only upgrade offered is to websocket",
  reason: "malformed_header",
};

const bodyOfUpgrade: Refusal = {
  status: 400,
  code: Code.INVALID_ARGUMENT,
  message: "a request to upgrade may not have a body",
  reason: "malformed_header",
};

/** The answer to a CONNECT. */
export const noTunnels: Refusal = {
  status: 405,
  code: Code.UNIMPLEMENTED,
  message: "CONNECT is not offered",
  reason: "method_not_allowed",
};

const wrongVersion: Refusal = {
  status: 505,
  code: Code.UNIMPLEMENTED,
  message: "this version of HTTP is not spoken so",
  reason: "malformed_header",
};

const wrongCoding: Refusal = {
  status: 501,
  code: Code.UNIMPLEMENTED,
  message: "the only transfer coding offered is chunked",
  reason: "malformed_header",
};

/**
 * What is wrong with the framing of a request that the parser has let pass (RFC 9112 6.1): another server may read another
 * length than it did.
 */
export function badFraming(version: string, fields: Fields): Refusal | undefined {
  if (version !== "1.1" && version !== "1.0") return wrongVersion;
  const codings = fieldValues(fields, "transfer-encoding");
  if (codings.length === 0) return undefined;
  if (version === "1.0") return malformed;
  return codings.length === 1 && codings[0]?.toLowerCase() === "chunked" ? undefined : wrongCoding;
}

/**
 * Why a request may not change the protocol. Where its body ends, if it had one, and what comes after it begins, servers
 * see differently.
 */
export function badUpgrade(fields: Fields): Refusal | undefined {
  if (Number(field(fields, "content-length") ?? 0) !== 0) return bodyOfUpgrade;
  if (field(fields, "transfer-encoding") !== undefined) return bodyOfUpgrade;
  return field(fields, "upgrade")?.toLowerCase() === "websocket" ? undefined : notWebSocket;
}

/** What to say of bytes that the parser has not taken. */
export function parserRefusal(code: string | undefined): Refusal {
  return parserRefusals[code ?? ""] ?? malformed;
}
