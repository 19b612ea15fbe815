import * as grpc from "@grpc/grpc-js";
import { HealthImplementation, type ServingStatusMap } from "grpc-health-check";

/** Messages are bytes: nobody decodes. */
const bytes = (message: Buffer): Buffer => message;

function rpc(
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}

const definition = {
  Unary: rpc("Unary", false, false),
  Server: rpc("Server", false, true),
  Client: rpc("Client", true, false),
  Bidi: rpc("Bidi", true, true),
};

/** What the methods do; those that are absent echo. */
export interface EchoHandlers {
  unary?: grpc.handleUnaryCall<Buffer, Buffer>;
  server?: grpc.handleServerStreamingCall<Buffer, Buffer>;
  client?: grpc.handleClientStreamingCall<Buffer, Buffer>;
  bidi?: grpc.handleBidiStreamingCall<Buffer, Buffer>;
}

export interface EchoServerOptions extends EchoHandlers {
  /** Port to listen on again; any free one by default. */
  readonly port?: number;
  /** Offers the health service with these statuses. */
  readonly health?: ServingStatusMap;
  readonly credentials?: grpc.ServerCredentials;
}

export interface EchoServer extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
  /** Unary calls that arrived. */
  readonly unaryCalls: number;
  readonly health: HealthImplementation;
  /** Breaks every connection. */
  kill(): void;
  /** GOAWAY, then waits for calls to end. */
  shutdown(): Promise<void>;
}

/** A gRPC server on a port of its own. */
export async function echoServer(options: EchoServerOptions = {}): Promise<EchoServer> {
  const server = new grpc.Server();
  let unaryCalls = 0;
  const unary: grpc.handleUnaryCall<Buffer, Buffer> =
    options.unary ?? ((call, reply) => reply(null, call.request));
  server.addService(definition, {
    Unary: ((call, reply) => {
      unaryCalls++;
      unary(call, reply);
    }) satisfies grpc.handleUnaryCall<Buffer, Buffer>,
    Server: options.server ?? sendBack,
    Client: options.client ?? joinAll,
    Bidi: options.bidi ?? echo,
  });
  const health = new HealthImplementation(options.health);
  if (options.health !== undefined) health.addToServer(server);
  const credentials = options.credentials ?? grpc.ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${options.port ?? 0}`, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port,
    address: `127.0.0.1:${port}`,
    get unaryCalls() {
      return unaryCalls;
    },
    health,
    kill: () => server.forceShutdown(),
    shutdown: () =>
      new Promise((resolve, reject) => {
        server.tryShutdown((error) => (error === undefined ? resolve() : reject(error)));
      }),
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

function joinAll(call: grpc.ServerReadableStream<Buffer, Buffer>, reply: grpc.sendUnaryData<Buffer>): void {
  const parts: Buffer[] = [];
  call.on("data", (part: Buffer) => parts.push(part));
  call.on("end", () => reply(null, Buffer.concat(parts)));
}

function sendBack(call: grpc.ServerWritableStream<Buffer, Buffer>): void {
  call.write(call.request);
  call.end();
}

function echo(call: grpc.ServerDuplexStream<Buffer, Buffer>): void {
  call.on("data", (message: Buffer) => call.write(message));
  call.on("end", () => call.end());
}
