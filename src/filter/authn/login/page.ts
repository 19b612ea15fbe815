import { Code, type ErrorBody, Metadata, type Reason, RpcError } from "#rpc";

/** What every answer about a login says besides. */
export const answerFields: readonly (readonly [string, string])[] = [
  ["cache-control", "no-store"],
  // The address of a callback holds a code, and that of a login says where somebody has been.
  ["referrer-policy", "no-referrer"],
];

const pageFields: readonly (readonly [string, string])[] = [
  [
    "content-security-policy",
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  ],
  ["x-content-type-options", "nosniff"],
];

export interface LoginRefusal {
  readonly code: Code;
  readonly reason: Reason;
  readonly message: string;
  readonly httpStatus?: number;
  readonly retryAfter?: number;
  /** Where a person may try again, a path of the gateway's own; undefined where that leads to nothing. */
  readonly again?: string;
  readonly cookies?: readonly string[];
}

/** Why a login comes to nothing: a page for people, and the usual form of an error for programs. */
export function loginRefusal(header: Metadata, refusal: LoginRefusal): RpcError {
  const { code, reason, message, httpStatus, retryAfter, again, cookies = [] } = refusal;
  const isPerson = header.get("accept")?.includes("text/html") === true;
  return new RpcError(code, message, {
    reason,
    head: Metadata.from([
      ...answerFields,
      ...(isPerson ? pageFields : []),
      ...cookies.map((cookie) => ["set-cookie", cookie] as const),
    ]),
    ...(httpStatus === undefined ? {} : { httpStatus }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(isPerson ? { body: page(message, again) } : {}),
  });
}

/** @param message of the gateway's own: no text of anybody else */
function page(message: string, again: string | undefined): ErrorBody {
  const link = again === undefined ? "" : `<p><a href="${escaped(again)}">Try again</a></p>`;
  const text = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Log in</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:32em;margin:15vh auto;padding:0 1em}</style>
<h1>You are not logged in</h1>
<p>${escaped(message[0]?.toUpperCase() ?? "")}${escaped(message.slice(1))}.</p>
${link}</html>
`;
  return { contentType: "text/html; charset=utf-8", bytes: Buffer.from(text) };
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The gateway's own failure to reach a provider. */
export function loginUnavailable(
  header: Metadata,
  again?: string,
  cookies: readonly string[] = [],
): RpcError {
  return loginRefusal(header, {
    code: Code.UNAVAILABLE,
    reason: "login_unavailable",
    message: "logging in is not possible at the moment",
    retryAfter: 5,
    cookies,
    ...(again === undefined ? {} : { again }),
  });
}
