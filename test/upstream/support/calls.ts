import { Health } from "#gen/grpc/health/v1/health_pb";
import {
  type Context,
  Metadata,
  Payload,
  type PayloadCodec,
  RpcError,
  type StreamCall,
  type StreamReply,
  type UnaryCall,
  type UnaryReply,
} from "#rpc";
import type { Method, MethodKind } from "#schema";
import type { Logger } from "#telemetry";
import { Channel, defaultHealth, defaultUpstream, type HealthOptions, type UpstreamOptions } from "#upstream";
import { transport } from "../../support/engines.ts";

/** What an upstream has that says only its name and target, over the transport that this run tests. */
export const plainUpstream: Omit<UpstreamOptions, "name" | "target"> = { ...defaultUpstream, transport };

/** For messages that are not looked into. */
export const opaque: PayloadCodec = { toJson: (wire) => wire, fromJson: (json) => json };

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export const unchecked: HealthOptions = { ...defaultHealth, enabled: false };

/** A channel to these addresses, without health checks unless asked for. */
export function channelTo(addresses: readonly string[], options: Partial<UpstreamOptions> = {}): Channel {
  return new Channel(
    {
      ...plainUpstream,
      name: "echo",
      health: unchecked,
      target: { kind: "static", addresses },
      ...options,
    },
    silent,
  );
}

export function method(name: string, kind: MethodKind, idempotent = false): Method {
  return {
    descriptor: Health.method.check,
    name: `test.Echo/${name}`,
    path: `/test.Echo/${name}`,
    service: "test.Echo",
    kind,
    idempotent,
    declared: { public: undefined, scopes: [], timeoutMs: undefined },
    location: undefined,
  };
}

export function newContext(): Context {
  return {
    requestId: "test",
    protocol: "grpc",
    peer: { address: "127.0.0.1", port: 1 },
    httpMethod: "POST",
    httpPath: "/",
    route: "/",
    startedAt: performance.now(),
    principal: undefined,
    upstream: undefined,
    endpoint: undefined,
    tried: [],
    attempts: 0,
    queuedMs: 0,
    upstreamMs: undefined,
  };
}

export interface CallOptions {
  readonly header?: Metadata;
  readonly deadline?: number;
  readonly signal?: AbortSignal;
  readonly idempotent?: boolean;
}

export function unary(message: string, options: CallOptions = {}): UnaryCall {
  return {
    kind: "unary",
    method: method("Unary", "unary", options.idempotent),
    header: options.header ?? new Metadata(),
    deadline: options.deadline,
    signal: options.signal ?? new AbortController().signal,
    context: newContext(),
    request: Payload.fromProto(Buffer.from(message), opaque),
  };
}

export function stream(
  name: "Server" | "Client" | "Bidi",
  requests: AsyncIterable<string>,
  options: CallOptions = {},
): StreamCall {
  const kind = `${name.toLowerCase()}_streaming` as MethodKind;
  return {
    kind: "stream",
    method: method(name, kind, options.idempotent),
    header: options.header ?? new Metadata(),
    deadline: options.deadline,
    signal: options.signal ?? new AbortController().signal,
    context: newContext(),
    requests: payloads(requests),
  };
}

async function* payloads(messages: AsyncIterable<string>): AsyncGenerator<Payload> {
  for await (const message of messages) yield Payload.fromProto(Buffer.from(message), opaque);
}

export async function* each(...messages: string[]): AsyncGenerator<string> {
  yield* messages;
}

export function text(payload: Payload): string {
  return Buffer.from(payload.proto()).toString();
}

/** Makes a unary call; the reply is unary. */
export async function callUnary(channel: Channel, call: UnaryCall): Promise<UnaryReply> {
  const reply = await channel.handler(opaque)(call);
  if (reply.kind !== "unary") throw new Error("a unary call has a unary reply");
  return reply;
}

export async function callStream(channel: Channel, call: StreamCall): Promise<StreamReply> {
  const reply = await channel.handler(opaque)(call);
  if (reply.kind !== "stream") throw new Error("a streaming call has a streaming reply");
  return reply;
}

export async function collect(reply: StreamReply): Promise<string[]> {
  const messages: string[] = [];
  for await (const payload of reply.responses) messages.push(text(payload));
  return messages;
}

/** The error that a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<RpcError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof RpcError) return outcome;
  throw new Error("the call was to fail with an RpcError", { cause: outcome });
}
