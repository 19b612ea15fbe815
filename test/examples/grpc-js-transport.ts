import { create, type DescMethod, type MessageShape } from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import { type ChannelCredentials, Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import { methodDefinition } from "../../examples/shop/grpc/method.ts";

export interface GrpcJsTransport extends Transport, Disposable {
  /** The methods that have been called. */
  readonly called: ReadonlySet<string>;
}

/** grpc-js as a transport of the typed clients, so that one tour of calls is made over every protocol. */
export function createGrpcJsTransport(address: string, credentials: ChannelCredentials): GrpcJsTransport {
  const client = new Client(address, credentials);
  const called = new Set<string>();
  return {
    called,
    async unary(method, _signal, _timeout, header, input) {
      called.add(nameOf(method));
      const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
      const message = await new Promise<MessageShape<typeof method.output>>((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          create(method.input, input),
          metadataOf(header),
          (error, response) => {
            if (error !== null) reject(connectError(error));
            else if (response !== undefined) resolve(response);
          },
        );
      });
      return {
        stream: false,
        service: method.parent,
        method,
        header: new Headers(),
        trailer: new Headers(),
        message,
      };
    },
    async stream(method, signal, _timeout, header, input) {
      called.add(nameOf(method));
      const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
      const call = client.makeBidiStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        metadataOf(header),
      );
      signal?.addEventListener("abort", () => call.cancel());
      void (async () => {
        for await (const message of input) call.write(create(method.input, message));
        call.end();
      })();
      return {
        stream: true,
        service: method.parent,
        method,
        header: new Headers(),
        trailer: new Headers(),
        message: received(call),
      };
    },
    [Symbol.dispose]: () => client.close(),
  };
}

const nameOf = ({ parent, name }: DescMethod): string => `${parent.typeName}/${name}`;

async function* received<T>(call: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* call;
  } catch (error) {
    throw connectError(error as ServiceError);
  }
}

/** The codes of both have the same numbers. */
function connectError({ code, details }: ServiceError): ConnectError {
  return new ConnectError(details, code as number);
}

function metadataOf(header: ConstructorParameters<typeof Headers>[0]): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of new Headers(header)) metadata.set(name, value);
  return metadata;
}
