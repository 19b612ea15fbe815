import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata as GrpcMetadata, type ServiceError } from "@grpc/grpc-js";
import {
  HeaderValueOption_HeaderAppendAction as Action,
  Authorization,
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
  type HeaderValueOption,
} from "#gen/envoy/service/auth/v3/external_auth_pb";
import { Code, codeFromNumber } from "#rpc";
import type { Authorizer } from "./authorizer.ts";
import { checkRequest } from "./check-request.ts";
import {
  codeOfStatus,
  type Decision,
  type HeaderChange,
  maxBodyBytes,
  NoDecision,
  type Pair,
} from "./decision.ts";
import { checkedChanges, shownHeaders } from "./headers.ts";

const path = `/${Authorization.typeName}/Check`;
const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** An authorization service that speaks `envoy.service.auth.v3.Authorization`, without TLS. */
export function grpcAuthorizer(address: string): Authorizer {
  const client = new Client(address, credentials.createInsecure(), {
    // A service that comes back is asked again soon: meanwhile nobody gets in.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.max_receive_message_length": 256 * 1024,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_retries": 0,
  });
  return {
    async ask(question) {
      const request = toBinary(CheckRequestSchema, create(CheckRequestSchema, checkRequest(question)));
      const bytes = await unary(client, request, question.timeoutMs);
      let response: CheckResponse;
      try {
        response = fromBinary(CheckResponseSchema, bytes);
      } catch (cause) {
        throw new NoDecision("the answer is no CheckResponse", { answered: true, cause });
      }
      return decisionOf(response);
    },
    close: () => client.close(),
  };
}

function unary(client: Client, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const fail = (cause: ServiceError): void =>
      reject(new NoDecision("the authorization service has not answered", { answered: false, cause }));
    const deadline = Date.now() + timeoutMs;
    client.makeUnaryRequest<Uint8Array, Uint8Array>(
      path,
      identity,
      (bytes) => bytes,
      request,
      new GrpcMetadata(),
      { deadline },
      (error, response) =>
        error === null && response !== undefined ? resolve(response) : fail(error as ServiceError),
    );
  });
}

function decisionOf({ status, httpResponse }: CheckResponse): Decision {
  const code = codeFromNumber(status?.code ?? 0);
  if (code === Code.OK) {
    // Envoy takes a refusal beside an OK for an answer that contradicts itself; so does everybody who is careful.
    if (httpResponse.case === "deniedResponse")
      throw new NoDecision("the answer allows and denies at once", { answered: true });
    if (httpResponse.case !== "okResponse") return { kind: "allow", changes: [], reply: [] };
    const { headers, headersToRemove, responseHeadersToAdd } = httpResponse.value;
    const removed = headersToRemove.map((name): HeaderChange => ({ kind: "remove", name, value: "" }));
    return {
      kind: "allow",
      changes: checkedChanges([...removed, ...headers.map(changeOf)]),
      reply: shownHeaders(responseHeadersToAdd.map(pairOf)),
    };
  }
  const denied = httpResponse.case === "deniedResponse" ? httpResponse.value : undefined;
  const given = denied?.status?.code ?? 0;
  const httpStatus = given >= 300 && given <= 599 ? given : 403;
  const header = (denied?.headers ?? []).map(pairOf);
  const contentType = header.find(([name]) => name.toLowerCase() === "content-type")?.[1];
  return {
    kind: "deny",
    httpStatus,
    // Most services answer with one code for all refusals and tell them apart by HTTP.
    code: denied?.status === undefined ? refusalCode(code) : codeOfStatus(httpStatus),
    message: "the caller is not authorized",
    header: shownHeaders(header),
    body: bodyOf(Buffer.from(denied?.body ?? ""), contentType),
  };
}

/** A refusal is about the caller, or says to come back; whatever else a service says of itself is a refusal too. */
function refusalCode(code: Code): Code {
  const kept: readonly Code[] = [
    Code.UNAUTHENTICATED,
    Code.NOT_FOUND,
    Code.RESOURCE_EXHAUSTED,
    Code.UNAVAILABLE,
  ];
  return kept.includes(code) ? code : Code.PERMISSION_DENIED;
}

/** The body of a refusal, cut to what is passed on; undefined for none. */
export function bodyOf(
  bytes: Uint8Array,
  contentType: string | undefined,
): (Decision & { kind: "deny" })["body"] {
  if (bytes.length === 0) return undefined;
  const type =
    contentType !== undefined && /^[\x20-\x7e]{1,256}$/.test(contentType) ? contentType : "text/plain";
  return { contentType: type, bytes: bytes.subarray(0, maxBodyBytes) };
}

function pairOf({ header }: HeaderValueOption): Pair {
  const { key = "", value = "", rawValue } = header ?? {};
  return [key, value === "" && rawValue !== undefined ? Buffer.from(rawValue).toString("latin1") : value];
}

function changeOf(option: HeaderValueOption): HeaderChange {
  const [name, value] = pairOf(option);
  if (option.append === true) return { kind: "append", name, value };
  switch (option.appendAction) {
    case Action.ADD_IF_ABSENT:
      return { kind: "add if absent", name, value };
    case Action.OVERWRITE_IF_EXISTS:
      return { kind: "set if present", name, value };
    default:
      // Without `append`, to set is what this contract does.
      return { kind: "set", name, value };
  }
}
