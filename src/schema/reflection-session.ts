import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "#gen/grpc/reflection/v1/reflection_pb";

/**
 * A stream of messages to a gRPC method and back, as bytes without framing: how reflection reaches an upstream. Throws
 * an error with a numeric gRPC `code` for a status other than OK. Aborting the signal cancels the call.
 */
export type ReflectionStream = (
  path: string,
  requests: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
) => AsyncIterable<Uint8Array>;

/** A server that answers, but not as reflection demands. Its message goes on with "reflection of NAME: ". */
export class ReflectionError extends Error {
  override readonly name = "ReflectionError";
}

type Question = ServerReflectionRequest["messageRequest"];

/** One stream of questions and answers, in turn (grpc/reflection/v1/reflection.proto). */
export class ReflectionSession {
  readonly #answers: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal;
  readonly #end = new AbortController();
  readonly #waiting: Uint8Array[] = [];
  #ended = false;
  #wake: () => void = () => {};

  constructor(stream: ReflectionStream, path: string, signal: AbortSignal) {
    this.#signal = AbortSignal.any([signal, this.#end.signal]);
    this.#answers = stream(path, this.#questions(), this.#signal)[Symbol.asyncIterator]();
  }

  /** Full names of the server's services. */
  async services(): Promise<string[]> {
    const { messageResponse } = await this.#ask({ case: "listServices", value: "*" });
    if (messageResponse.case !== "listServicesResponse") {
      throw new ReflectionError("it does not list its services");
    }
    return messageResponse.value.service.map(({ name }) => name);
  }

  /** File descriptors, serialised; none when the server does not know what was asked for. */
  async files(question: Question): Promise<readonly Uint8Array[]> {
    const { messageResponse } = await this.#ask(question);
    if (messageResponse.case === "errorResponse") return [];
    if (messageResponse.case === "fileDescriptorResponse") return messageResponse.value.fileDescriptorProto;
    throw new ReflectionError("it does not answer what it was asked");
  }

  /** Ends the stream. */
  close(): void {
    this.#ended = true;
    this.#wake();
    this.#end.abort();
  }

  async #ask(messageRequest: Question): Promise<ServerReflectionResponse> {
    const question = create(ServerReflectionRequestSchema, { messageRequest });
    this.#waiting.push(toBinary(ServerReflectionRequestSchema, question));
    this.#wake();
    const answer = await this.#next();
    if (answer.done === true) throw new ReflectionError("it ended the stream early");
    try {
      return fromBinary(ServerReflectionResponseSchema, answer.value);
    } catch (cause) {
      throw new ReflectionError("it does not answer what it was asked", { cause });
    }
  }

  /** The next answer; rejects as soon as the signal is aborted, even if the stream pays no heed to it. */
  #next(): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(new ReflectionError("it was given up"));
      if (this.#signal.aborted) stop();
      this.#signal.addEventListener("abort", stop, { once: true });
      this.#answers
        .next()
        .then(resolve, reject)
        .finally(() => this.#signal.removeEventListener("abort", stop));
    });
  }

  async *#questions(): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) yield next;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
