import type { Codec } from "#codec";
import { type Context, codeName, type RpcError } from "#rpc";
import type { Cors } from "./cors.ts";
import type { RequestHead } from "./exchange.ts";
import { listField } from "./fields.ts";
import { percentEncode } from "./framing/grpc-message.ts";
import { httpStatus } from "./http-status.ts";
import { appendMetadata } from "./response-fields.ts";
import type { ErrorOptions } from "./routes.ts";
import { googleErrorToJson, retryAfterSeconds, statusToJson } from "./status.ts";

/** A whole HTTP answer. */
export interface Answer {
  readonly status: number;
  readonly fields: string[];
  readonly body: Uint8Array;
}

/** Where an error is rendered. */
export interface ErrorAnswerOptions {
  readonly head: RequestHead;
  readonly context: Context;
  readonly errors: ErrorOptions;
  readonly cors: Cors | undefined;
  /** In the form of RFC 9457, whether the caller accepts it or not. */
  readonly problem?: boolean;
}

/**
 * The one rendering of errors for callers who speak plain HTTP: `google.rpc.Status` as JSON, or RFC 9457 for those who
 * accept `application/problem+json`.
 */
export function errorAnswer(error: RpcError, options: ErrorAnswerOptions): Answer {
  const { head, context, errors, cors } = options;
  const status = httpStatus(error);
  const problem =
    options.problem === true ||
    listField(head.fields, "accept")?.includes("application/problem+json") === true;
  const fields = ["content-type", problem ? "application/problem+json" : "application/json"];
  fields.push("x-request-id", context.requestId);
  if (error.reason !== undefined) fields.push("x-dragoman-reason", error.reason);
  const retryAfter = retryAfterSeconds(error);
  if (retryAfter !== undefined) fields.push("retry-after", String(retryAfter));
  if (error.challenge !== undefined) fields.push("www-authenticate", error.challenge);
  if (error.allow !== undefined) fields.push("allow", error.allow.join(", "));
  if (error.location !== undefined) fields.push("location", error.location);
  if (cors !== undefined) fields.push(...cors.fields(head));
  if (error.head !== undefined) appendMetadata(fields, error.head);
  if (error.header !== undefined) appendMetadata(fields, error.header);
  appendMetadata(fields, error.metadata);
  fields.push(...statusFields(error, errors));
  if (error.body !== undefined) {
    fields[1] = error.body.contentType;
    return { status, fields, body: error.body.bytes };
  }
  const body = Buffer.from(problem ? problemJson(error, status, errors.any) : bodyJson(error, errors));
  return { status, fields, body };
}

/** What tells of an error beside the body, as gRPC does it, where that is configured: headers, or trailers of a stream. */
export function statusFields(error: RpcError, { statusHeaders }: ErrorOptions): readonly string[] {
  if (!statusHeaders) return [];
  const fields = ["grpc-status", String(error.code)];
  if (error.message !== "") fields.push("grpc-message", percentEncode(error.message));
  return fields;
}

function bodyJson(error: RpcError, errors: ErrorOptions): string {
  const json = errorJson(error, errors);
  return errors.form === "google" ? `{"error":${json}}` : json;
}

/** An error as one JSON value, for answers that tell it within a key of their own. */
export function errorJson(error: RpcError, { any, form }: ErrorOptions): string {
  return form === "google" ? googleErrorToJson(error, httpStatus(error), any) : statusToJson(error, any);
}

/** RFC 9457, with the members of `google.rpc.Status` as extensions. */
function problemJson(error: RpcError, status: number, any: Codec): string {
  const type = error.reason === undefined ? "about:blank" : `urn:dragoman:error:${error.reason}`;
  const { problem = { type, title: codeName(error.code), members: {} }, message: detail } = error;
  const own = JSON.stringify({
    type: problem.type,
    title: problem.title,
    status,
    detail,
    ...problem.members,
  });
  return `${own.slice(0, -1)},${statusToJson(error, any).slice(1)}`;
}
