import { Code, RpcError } from "#rpc";
import { requireKnownEncoding } from "../content-encoding.ts";
import type { RequestHead } from "../exchange.ts";
import { field, fieldValues } from "../fields.ts";
import { mediaType } from "../target.ts";

const json = "application/json";

/**
 * Checks that a body is announced as JSON in UTF-8, or not announced at all, which is taken for JSON.
 * @throws RpcError with HTTP status 415
 */
export function requireJson(head: RequestHead): void {
  requireKnownEncoding(head);
  const type = field(head.fields, "content-type");
  if (type !== undefined && fieldValues(head.fields, "content-type").length > 1) {
    throw unsupported("more than one content-type");
  }
  if (type === undefined || type === "" || type === json) return;
  const media = mediaType(type);
  if (media !== json && !/^application\/[\w.!#$&^-]+\+json$/.test(media)) {
    throw unsupported("the body must be application/json");
  }
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)"?/i.exec(type)?.[1];
  if (charset !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(charset))
    throw unsupported("the body must be in UTF-8");
}

function unsupported(message: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, message, { reason: "unsupported_media_type", httpStatus: 415 });
}
