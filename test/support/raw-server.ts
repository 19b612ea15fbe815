import * as grpc from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";

export interface RawServer extends AsyncDisposable {
  readonly address: string;
  setServing(serving: boolean): void;
}

/** A real gRPC server of one service, whose messages are raw bytes; with health. */
export async function startRawServer(
  service: string,
  methods: Readonly<Record<string, RawMethod>>,
  port = 0,
): Promise<RawServer> {
  const server = new grpc.Server();
  const identity = (bytes: Buffer): Buffer => bytes;
  const definition: Record<string, grpc.MethodDefinition<Buffer, Buffer>> = {};
  const handlers: Record<string, grpc.UntypedHandleCall> = {};
  for (const [name, { requestStream, responseStream, handler }] of Object.entries(methods)) {
    definition[name] = {
      path: `/${service}/${name}`,
      requestStream,
      responseStream,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    };
    handlers[name] = handler;
  }
  server.addService(definition, handlers);
  const health = new HealthImplementation({ "": "SERVING" });
  health.addToServer(server);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    );
  });
  return {
    address: `127.0.0.1:${bound}`,
    setServing: (serving) => health.setStatus("", serving ? "SERVING" : "NOT_SERVING"),
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
}

export interface RawMethod {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly handler: grpc.UntypedHandleCall;
}

export function unary(
  handle: (request: Buffer, call: grpc.ServerUnaryCall<Buffer, Buffer>) => Promise<Buffer> | Buffer,
): RawMethod {
  const handler: grpc.handleUnaryCall<Buffer, Buffer> = (call, done) => {
    Promise.resolve()
      .then(() => handle(call.request, call))
      .then(
        (response) => done(null, response),
        (error: grpc.ServiceError) => done(error),
      );
  };
  return { requestStream: false, responseStream: false, handler };
}

export function serverStream(handle: (call: grpc.ServerWritableStream<Buffer, Buffer>) => void): RawMethod {
  return { requestStream: false, responseStream: true, handler: handle };
}

export function clientStream(handle: (messages: readonly Buffer[]) => Buffer): RawMethod {
  const handler: grpc.handleClientStreamingCall<Buffer, Buffer> = (call, done) => {
    const messages: Buffer[] = [];
    call.on("data", (message: Buffer) => messages.push(message));
    call.on("end", () => done(null, handle(messages)));
  };
  return { requestStream: true, responseStream: false, handler };
}

export function bidiStream(handle: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => void): RawMethod {
  return { requestStream: true, responseStream: true, handler: handle };
}
