import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { normalizedPath } from "#expression";
import type { CheckRequestSchema } from "#gen/envoy/service/auth/v3/external_auth_pb";
import type { Call } from "#rpc";
import type { Question } from "./authorizer.ts";

/**
 * A call in the terms of `envoy.service.auth.v3`. The path is the normal one; `context_extensions` has the gRPC method;
 * `metadata_context` has, under `dragoman.caller`, who was authenticated, with all verified claims.
 */
export function checkRequest({ call, body }: Question): MessageInitShape<typeof CheckRequestSchema> {
  const { context, method } = call;
  const { principal, peer } = context;
  return {
    attributes: {
      source: {
        address: { socketAddress: { address: peer.address, portValue: peer.port } },
        principal: principal?.subject ?? "",
      },
      request: {
        time: timestampFromMs(Date.now()),
        http: {
          id: context.requestId,
          method: context.httpMethod,
          headers: headersOf(call),
          path: normalizedPath(context.httpPath),
          host: call.header.get("x-forwarded-host") ?? call.header.get("host") ?? "",
          scheme: call.header.get("x-forwarded-proto") ?? "",
          size: body === undefined ? -1n : BigInt(Buffer.byteLength(body)),
          protocol: context.protocol,
          body: body ?? "",
        },
      },
      contextExtensions: { method: method.name, service: method.service, route: context.route },
      ...(principal === undefined
        ? {}
        : { metadataContext: { filterMetadata: { "dragoman.caller": callerOf(principal) } } }),
    },
  };
}

/** Names in lower case, several values of one joined (RFC 9110 5.3). */
export function headersOf({ header }: Call): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of header) {
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return headers;
}

/** Who was authenticated, as JSON. */
export function callerOf({
  subject,
  provider,
  scopes,
  claims,
}: NonNullable<Call["context"]["principal"]>): JsonObject {
  return { sub: subject, provider, scopes: [...scopes], claims: toJsonObject(claims) };
}

/** Claims come from JSON; what does not is left out by being written once. */
function toJsonObject(claims: Readonly<Record<string, unknown>>): JsonObject {
  return JSON.parse(JSON.stringify(claims)) as JsonObject;
}
