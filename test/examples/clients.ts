import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  type ServiceError,
} from "@grpc/grpc-js";
import { methodDefinition, type TypedMethod } from "../../examples/shop/grpc/method.ts";

/** A client of one replica, closed at the end of the test; it finds a replica that comes back within a moment. */
export function clientOf(address: string): Client & Disposable {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 200,
  });
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

export function callClientStreaming<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: TypedMethod<"client_streaming", I, O>,
  requests: readonly MessageShape<I>[],
): Promise<MessageShape<O>> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return new Promise((resolve, reject) => {
    const answer = (error: ServiceError | null, response?: MessageShape<O>): void => {
      if (error !== null) reject(error);
      else if (response !== undefined) resolve(response);
    };
    const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, answer);
    call.on("error", () => {});
    for (const request of requests) call.write(request);
    call.end();
  });
}

export function callServerStreaming<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: TypedMethod<"server_streaming", I, O>,
  request: MessageShape<I>,
): ClientReadableStream<MessageShape<O>> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
}

export function callBidi<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: TypedMethod<"bidi_streaming", I, O>,
): ClientDuplexStream<MessageShape<I>, MessageShape<O>> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
}

/** Reads a stream message by message; `undefined` at its end. Rejects with the ServiceError that it ended with. */
export function reader<T>(
  stream: ClientReadableStream<T> | ClientDuplexStream<never, T>,
): () => Promise<T | undefined> {
  const iterator: AsyncIterator<T> = stream[Symbol.asyncIterator]();
  return async () => {
    const { done, value } = await iterator.next();
    return done === true ? undefined : value;
  };
}
