import { once } from "node:events";
import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  MethodDefinition,
  ServerDuplexStream,
  ServerReadableStream,
  ServiceDefinition,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import type { ActiveCalls } from "./active-calls.ts";
import { StatusError, toServerError } from "./status-error.ts";

/** What a handler knows of a call beside its messages. */
export interface CallInfo {
  readonly metadata: Metadata;
  /** Aborted when the call is over, for instance because its caller has gone. */
  readonly signal: AbortSignal;
}

/** A method of a service, and what serves it. */
export interface BoundMethod {
  readonly descriptor: DescMethod;
  readonly definition: ServiceDefinition[string];
  readonly bind: (calls: ActiveCalls) => UntypedHandleCall;
}

/** The descriptor of a method of one kind, as generated code has it. */
export type TypedMethod<
  Kind extends DescMethod["methodKind"],
  I extends DescMessage,
  O extends DescMessage,
> = DescMethod & { readonly methodKind: Kind; readonly input: I; readonly output: O };

/** How grpc-js wants a method described, for servers and clients alike. */
export function methodDefinition<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { readonly input: I; readonly output: O },
): MethodDefinition<MessageShape<I>, MessageShape<O>> {
  const { input, output, methodKind } = method;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

export function unary<I extends DescMessage, O extends DescMessage>(
  descriptor: TypedMethod<"unary", I, O>,
  handler: (request: MessageShape<I>, info: CallInfo) => MessageShape<O> | Promise<MessageShape<O>>,
): BoundMethod {
  const bind = (calls: ActiveCalls): handleUnaryCall<MessageShape<I>, MessageShape<O>> => {
    return async (call, callback) => {
      const signal = calls.begin(call);
      try {
        callback(null, await handler(call.request, { metadata: call.metadata, signal }));
      } catch (error) {
        report(descriptor, error);
        callback(toServerError(error));
      }
    };
  };
  return { descriptor, definition: methodDefinition(descriptor), bind };
}

export function clientStreaming<I extends DescMessage, O extends DescMessage>(
  descriptor: TypedMethod<"client_streaming", I, O>,
  handler: (requests: AsyncIterable<MessageShape<I>>, info: CallInfo) => Promise<MessageShape<O>>,
): BoundMethod {
  const bind = (calls: ActiveCalls): handleClientStreamingCall<MessageShape<I>, MessageShape<O>> => {
    return async (call, callback) => {
      const signal = calls.begin(call);
      try {
        callback(null, await handler(read(call), { metadata: call.metadata, signal }));
      } catch (error) {
        if (!signal.aborted) report(descriptor, error);
        callback(toServerError(error));
      }
    };
  };
  return { descriptor, definition: methodDefinition(descriptor), bind };
}

export function serverStreaming<I extends DescMessage, O extends DescMessage>(
  descriptor: TypedMethod<"server_streaming", I, O>,
  handler: (request: MessageShape<I>, info: CallInfo) => AsyncIterable<MessageShape<O>>,
): BoundMethod {
  const bind = (calls: ActiveCalls): handleServerStreamingCall<MessageShape<I>, MessageShape<O>> => {
    return async (call) => {
      const signal = calls.begin(call);
      try {
        await send(handler(call.request, { metadata: call.metadata, signal }), call, signal);
        call.end();
      } catch (error) {
        if (!signal.aborted) report(descriptor, error);
        call.emit("error", toServerError(error));
      }
    };
  };
  return { descriptor, definition: methodDefinition(descriptor), bind };
}

export function bidiStreaming<I extends DescMessage, O extends DescMessage>(
  descriptor: TypedMethod<"bidi_streaming", I, O>,
  handler: (requests: AsyncIterable<MessageShape<I>>, info: CallInfo) => AsyncIterable<MessageShape<O>>,
): BoundMethod {
  const bind = (calls: ActiveCalls): handleBidiStreamingCall<MessageShape<I>, MessageShape<O>> => {
    return async (call) => {
      const signal = calls.begin(call);
      try {
        await send(handler(read(call), { metadata: call.metadata, signal }), call, signal);
        call.end();
      } catch (error) {
        if (!signal.aborted) report(descriptor, error);
        call.emit("error", toServerError(error));
      }
    };
  };
  return { descriptor, definition: methodDefinition(descriptor), bind };
}

/** The requests of a call. A handler may stop reading early: that must not end the stream it still answers on. */
function read<T>(call: ServerReadableStream<T, never> | ServerDuplexStream<T, never>): AsyncIterable<T> {
  return call.iterator({ destroyOnReturn: false });
}

/** Writes no faster than the caller reads. */
async function send<T>(
  messages: AsyncIterable<T>,
  call: NodeJS.EventEmitter & { write(message: T): boolean },
  signal: AbortSignal,
): Promise<void> {
  for await (const message of messages) {
    if (signal.aborted) return;
    if (!call.write(message)) await once(call, "drain", { signal });
  }
}

/** A refusal is an answer; anything else is a defect, and belongs on the console. */
function report(method: DescMethod, error: unknown): void {
  if (!(error instanceof StatusError)) console.error(`${method.parent.typeName}/${method.name}:`, error);
}
