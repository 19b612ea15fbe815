import { Health } from "#gen/grpc/health/v1/health_pb";
import { type Call, type Context, Metadata, Payload, type PayloadCodec, type Reply } from "#rpc";

const codec: PayloadCodec = { toJson: (wire) => wire, fromJson: (json) => json };

export interface CallOptions {
  readonly kind?: Call["kind"];
  readonly address?: string;
  readonly subject?: string;
  readonly provider?: string;
  readonly scopes?: readonly string[];
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly deadline?: number;
  readonly signal?: AbortSignal;
  readonly header?: Readonly<Record<string, string>>;
  readonly context?: Partial<Context>;
}

/** A call as a protocol would make it. */
export function makeCall(options: CallOptions = {}): Call {
  const { kind = "unary", address = "192.0.2.1", subject, deadline, signal, header = {} } = options;
  const principal =
    subject === undefined
      ? undefined
      : {
          subject,
          provider: options.provider ?? "main",
          scopes: options.scopes ?? [],
          claims: options.claims ?? {},
          expiresAt: undefined,
        };
  const base = {
    method: {
      descriptor: Health.method.check,
      name: "test.T/M",
      path: "/test.T/M",
      service: "test.T",
      kind: kind === "unary" ? ("unary" as const) : ("server_streaming" as const),
      idempotent: false,
      declared: { public: undefined, scopes: [], timeoutMs: undefined },
      location: undefined,
    },
    header: Metadata.from(Object.entries(header)),
    deadline,
    signal: signal ?? new AbortController().signal,
    context: {
      requestId: "r1",
      protocol: "rest",
      peer: { address, port: 1 },
      httpMethod: "GET",
      httpPath: "/v1/t",
      route: "/v1/{name}",
      startedAt: performance.now(),
      principal,
      upstream: undefined,
      endpoint: undefined,
      tried: [],
      attempts: 0,
      queuedMs: 0,
      upstreamMs: undefined,
      ...options.context,
    },
  };
  return kind === "unary"
    ? { ...base, kind: "unary", request: payload("request") }
    : { ...base, kind: "stream", requests: responses("request") };
}

export function payload(text: string): Payload {
  return Payload.fromProto(Buffer.from(text), codec);
}

export async function* responses(...texts: string[]): AsyncGenerator<Payload> {
  for (const text of texts) yield payload(text);
}

export function unaryReply(): Reply {
  return { kind: "unary", header: new Metadata(), response: payload("done"), trailer: new Metadata() };
}

export function streamReply(messages: AsyncIterable<Payload>): Reply {
  return { kind: "stream", header: new Metadata(), responses: messages, trailer: new Metadata() };
}

/** The reader of a reply that must be a stream. */
export function reader(reply: Reply): AsyncIterator<Payload> {
  if (reply.kind !== "stream") throw new Error("the reply is no stream");
  return reply.responses[Symbol.asyncIterator]();
}

export async function readAll(reply: Reply): Promise<string[]> {
  const texts: string[] = [];
  const messages = reader(reply);
  for (let next = await messages.next(); next.done !== true; next = await messages.next()) {
    texts.push(Buffer.from(next.value.proto()).toString());
  }
  return texts;
}

/** A promise that is settled from outside. */
export function deferred<T>(): {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
} {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** What a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
