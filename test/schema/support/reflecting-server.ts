import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from "@grpc/grpc-js";
import {
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import type { ReflectionStream } from "../../../src/schema/index.ts";

export type Version = "v1" | "v1alpha";
type Answer = ServerReflectionResponse["messageResponse"];

export interface ReflectingServer extends AsyncDisposable {
  /** How the server is asked, over a connection of its own. */
  readonly stream: ReflectionStream;
  /** Versions in which it was asked something. */
  readonly asked: Version[];
  /** What it answers from now on; nothing at all when undefined. */
  answer: ((request: ServerReflectionRequest["messageRequest"]) => Answer) | undefined;
}

const identity = (bytes: Buffer): Buffer => bytes;

/** A gRPC server by grpc-js that offers reflection in these versions. */
export async function reflectingServer(
  versions: readonly Version[],
  answer: ReflectingServer["answer"],
): Promise<ReflectingServer> {
  const server = new Server();
  const asked: Version[] = [];
  for (const version of versions) {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    server.addService(
      {
        info: {
          path,
          requestStream: true,
          responseStream: true,
          requestSerialize: identity,
          requestDeserialize: identity,
          responseSerialize: identity,
          responseDeserialize: identity,
        },
      },
      {
        info(call: ServerDuplexStream<Buffer, Buffer>) {
          call.on("data", (bytes: Buffer) => {
            asked.push(version);
            const { messageRequest } = fromBinary(ServerReflectionRequestSchema, bytes);
            const messageResponse = reflecting.answer?.(messageRequest);
            if (messageResponse === undefined) return;
            const response = create(ServerReflectionResponseSchema, { messageResponse });
            call.write(Buffer.from(toBinary(ServerReflectionResponseSchema, response)));
          });
          call.on("end", () => call.end());
          call.on("error", () => {});
        },
      },
    );
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const reflecting: ReflectingServer = {
    stream: (path, requests, signal) => openStream(client, path, requests, signal),
    asked,
    answer,
    async [Symbol.asyncDispose]() {
      client.close();
      server.forceShutdown();
    },
  };
  return reflecting;
}

async function* openStream(
  client: Client,
  path: string,
  requests: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const call = client.makeBidiStreamRequest(path, identity, identity);
  const cancel = (): void => call.cancel();
  signal.addEventListener("abort", cancel);
  void (async () => {
    for await (const request of requests) call.write(Buffer.from(request));
    call.end();
  })();
  try {
    yield* call;
  } finally {
    signal.removeEventListener("abort", cancel);
    call.cancel();
  }
}

/** Answers as a server with these services does, out of serialised file descriptors by name. */
export function answersFrom(
  services: Readonly<Record<string, string>>,
  files: ReadonlyMap<string, Uint8Array>,
): NonNullable<ReflectingServer["answer"]> {
  const file = (name: string | undefined): Answer => {
    const bytes = name === undefined ? undefined : files.get(name);
    if (bytes === undefined) return notFound();
    return {
      case: "fileDescriptorResponse",
      value: {
        $typeName: "grpc.reflection.v1.FileDescriptorResponse",
        fileDescriptorProto: [bytes],
      },
    };
  };
  return (request) => {
    switch (request.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: {
            $typeName: "grpc.reflection.v1.ListServiceResponse",
            service: Object.keys(services).map((name) => ({
              $typeName: "grpc.reflection.v1.ServiceResponse",
              name,
            })),
          },
        };
      case "fileContainingSymbol":
        return file(services[request.value]);
      case "fileByFilename":
        return file(request.value);
      default:
        return notFound();
    }
  };
}

function notFound(): Answer {
  return {
    case: "errorResponse",
    value: {
      $typeName: "grpc.reflection.v1.ErrorResponse",
      errorCode: status.NOT_FOUND,
      errorMessage: "not here",
    },
  };
}
