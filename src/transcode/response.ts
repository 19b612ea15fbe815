import { fromBinary } from "@bufbuild/protobuf";
import { CodecError } from "#codec";
import { HttpBodySchema } from "#gen/google/api/httpbody_pb";
import { fromCodecError } from "./errors.ts";
import type { RulePlan } from "./rule-plan.ts";
import { nestedMessage } from "./wire.ts";

/** What an HTTP answer holds. */
export interface TranscodedResponse {
  readonly contentType: string;
  readonly body: Uint8Array;
}

const json = "application/json";
const nothing = new Uint8Array(0);

/** What is shown of a response. @throws RpcError INTERNAL for a message that is not what its schema says */
export function showResponse(
  { rule, outputIsHttpBody, shown }: RulePlan,
  wire: Uint8Array,
): TranscodedResponse {
  try {
    if (!outputIsHttpBody) return { contentType: json, body: shown.toJson(wire) };
    const field = rule.responseBody;
    const message = fromBinary(
      HttpBodySchema,
      field === undefined ? wire : (nestedMessage(wire, field) ?? nothing),
    );
    return { contentType: safeContentType(message.contentType), body: message.data };
  } catch (error) {
    throw fromCodecError(error instanceof CodecError ? error : new CodecError("wire", "", String(error)));
  }
}

const contentTypeGrammar = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;[\x20-\x7e]*)?$/;

/** What an upstream calls its bytes, if that is a media type at all. */
function safeContentType(contentType: string): string {
  return contentTypeGrammar.test(contentType) ? contentType : "application/octet-stream";
}
