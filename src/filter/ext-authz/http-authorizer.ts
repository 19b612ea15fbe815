import { normalizedPath } from "#expression";
import type { Authorizer, Question } from "./authorizer.ts";
import { callerOf, headersOf } from "./check-request.ts";
import {
  codeOfStatus,
  type Decision,
  type HeaderChange,
  maxBodyBytes,
  NoDecision,
  type Pair,
} from "./decision.ts";
import { bodyOf } from "./grpc-authorizer.ts";
import { checkedChanges, isChangeable, shownHeaders } from "./headers.ts";

export interface HttpAuthorizerOptions {
  readonly url: string;
  /** Headers of an answer which the upstream is to get. Lower case. */
  readonly passOn: readonly string[];
}

/**
 * An authorization service that is asked by GET, or by POST where it is to see the request: 2xx allows, everything else
 * but 5xx denies, with that status, header and body. It gets the headers of the call, and of the call itself
 * `x-forwarded-method`, `x-forwarded-uri`, `x-dragoman-method` and `x-dragoman-caller`, which is JSON in base64url.
 */
export function httpAuthorizer({ url, passOn }: HttpAuthorizerOptions): Authorizer {
  return {
    async ask(question) {
      const { body, timeoutMs } = question;
      let response: Response;
      let bytes: Uint8Array;
      try {
        response = await fetch(url, {
          method: body === undefined ? "GET" : "POST",
          headers: requestHeaders(question),
          ...(body === undefined ? {} : { body }),
          redirect: "manual",
          signal: AbortSignal.timeout(timeoutMs),
        });
        bytes = await readUpTo(response, maxBodyBytes);
      } catch (cause) {
        throw new NoDecision("the authorization service has not answered", { answered: false, cause });
      }
      return decisionOf(response, bytes, passOn);
    },
    close() {},
  };
}

function requestHeaders({ call, body }: Question): Record<string, string> {
  const { context, method } = call;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(headersOf(call)))
    if (isChangeable(name) && /^[\x20-\x7e]*$/.test(value)) headers[name] = value;
  if (body !== undefined) headers["content-type"] = "application/json";
  headers["x-forwarded-method"] = context.httpMethod;
  headers["x-forwarded-uri"] = encodeURI(normalizedPath(context.httpPath));
  headers["x-forwarded-for"] = context.peer.address;
  headers["x-forwarded-host"] = call.header.get("x-forwarded-host") ?? "";
  headers["x-request-id"] = context.requestId;
  headers["x-dragoman-method"] = method.name;
  if (context.principal !== undefined) {
    const caller = JSON.stringify(callerOf(context.principal));
    headers["x-dragoman-caller"] = Buffer.from(caller).toString("base64url");
  }
  return headers;
}

/** The first bytes of a body; what is longer is not read. */
async function readUpTo(response: Response, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (response.body === null) return new Uint8Array(0);
  for await (const chunk of response.body) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= most) break;
  }
  return Buffer.concat(chunks).subarray(0, most);
}

function decisionOf(response: Response, bytes: Uint8Array, passOn: readonly string[]): Decision {
  const { status, headers } = response;
  if (status >= 200 && status <= 299) {
    const changes = passOn.flatMap((name): HeaderChange[] => {
      const value = headers.get(name);
      // What the service does not vouch for is not the caller's to say.
      return [value === null ? { kind: "remove", name, value: "" } : { kind: "set", name, value }];
    });
    return { kind: "allow", changes: checkedChanges(changes), reply: [] };
  }
  if (status < 300 || status > 499)
    throw new NoDecision(`the authorization service answered ${status}`, { answered: false });
  const pairs: Pair[] = [...headers].filter(
    ([name]) => name === "location" || name === "www-authenticate" || name === "set-cookie",
  );
  return {
    kind: "deny",
    httpStatus: status,
    code: codeOfStatus(status),
    message: "the caller is not authorized",
    header: shownHeaders(pairs),
    body: bodyOf(bytes, headers.get("content-type") ?? undefined),
  };
}
