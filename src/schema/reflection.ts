import { createHash } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import {
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "#gen/grpc/reflection/v1/reflection_pb";
import { failedSource, type SourceResult } from "./source.ts";

/**
 * A stream of messages to a gRPC method and back, as bytes without framing: how reflection reaches an upstream. Throws
 * an error with a numeric gRPC `code` for a status other than OK.
 */
export type ReflectionStream = (
  path: string,
  requests: AsyncIterable<Uint8Array>,
) => AsyncIterable<Uint8Array>;

/** The two versions differ only in their names. */
const paths = [
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

const unimplemented = 12;

/** Services that belong to the machinery of a server and not to its API. */
const machinery = /^grpc\.(?:reflection|health|channelz)\./;

/** Asks a server for its services and their files (gRPC server reflection, v1 or else v1alpha). Never rejects. */
export async function loadByReflection(upstream: string, stream: ReflectionStream): Promise<SourceResult> {
  const label = `reflection of ${upstream}`;
  for (const path of paths) {
    try {
      return await ask(label, stream, path);
    } catch (error) {
      if (hasCode(error, unimplemented)) continue;
      const message = error instanceof ReflectionError ? error.message : "the upstream did not answer";
      return failedSource(label, [{ severity: "error", message: `${label}: ${message}` }]);
    }
  }
  const message = `${label}: the upstream does not offer server reflection`;
  return failedSource(label, [{ severity: "error", message }]);
}

class ReflectionError extends Error {
  override readonly name = "ReflectionError";
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

async function ask(label: string, stream: ReflectionStream, path: string): Promise<SourceResult> {
  const session = new ReflectionSession(stream, path);
  try {
    const services = (await session.services()).filter((name) => !machinery.test(name)).sort();
    const files = new Map<string, { proto: FileDescriptorProto; bytes: Uint8Array }>();
    const targets = new Set<string>();
    const take = (all: readonly Uint8Array[]): FileDescriptorProto[] =>
      all.map((bytes) => {
        const proto = fromBinary(FileDescriptorProtoSchema, bytes);
        if (!files.has(proto.name)) files.set(proto.name, { proto, bytes });
        return proto;
      });
    for (const service of services) {
      const found = take(await session.files({ case: "fileContainingSymbol", value: service }));
      const own = found.find((file) => definesService(file, service));
      if (own !== undefined) targets.add(own.name);
    }
    // A server may answer with the one file alone; the rest has to be asked for.
    for (const { proto } of files.values()) {
      for (const dependency of proto.dependency) {
        if (!files.has(dependency)) take(await session.files({ case: "fileByFilename", value: dependency }));
      }
    }
    const hash = createHash("sha256");
    for (const name of [...files.keys()].sort()) hash.update(files.get(name)?.bytes ?? "");
    return {
      label,
      files: [...files.values()].map(({ proto }) => proto),
      targets,
      problems: [],
      fingerprint: hash.digest("hex"),
      display: (name) => name,
    };
  } finally {
    await session.close();
  }
}

function definesService(file: FileDescriptorProto, service: string): boolean {
  const prefix = file.package === "" ? "" : `${file.package}.`;
  return file.service.some(({ name }) => `${prefix}${name}` === service);
}

/** One stream of questions and answers, in turn. */
class ReflectionSession {
  readonly #answers: AsyncIterator<Uint8Array>;
  #ask: (request: Uint8Array | undefined) => void = () => {};
  readonly #waiting: (Uint8Array | undefined)[] = [];
  #wake: (() => void) | undefined;

  constructor(stream: ReflectionStream, path: string) {
    this.#ask = (request) => {
      this.#waiting.push(request);
      this.#wake?.();
    };
    this.#answers = stream(path, this.#requests())[Symbol.asyncIterator]();
  }

  async services(): Promise<string[]> {
    const { messageResponse } = await this.#turn({ case: "listServices", value: "*" });
    if (messageResponse.case !== "listServicesResponse")
      throw new ReflectionError("it did not list its services");
    return messageResponse.value.service.map(({ name }) => name);
  }

  async files(request: ServerReflectionRequest["messageRequest"]): Promise<readonly Uint8Array[]> {
    const { messageResponse } = await this.#turn(request);
    if (messageResponse.case === "fileDescriptorResponse") return messageResponse.value.fileDescriptorProto;
    throw new ReflectionError(`it does not know ${String(request.value)}, which its own services need`);
  }

  async close(): Promise<void> {
    this.#ask(undefined);
    await this.#answers.return?.();
  }

  async #turn(messageRequest: ServerReflectionRequest["messageRequest"]): Promise<ServerReflectionResponse> {
    this.#ask(
      toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, { messageRequest })),
    );
    const next = await this.#answers.next();
    if (next.done === true) throw new ReflectionError("it ended the reflection early");
    return fromBinary(ServerReflectionResponseSchema, next.value);
  }

  async *#requests(): AsyncGenerator<Uint8Array> {
    for (;;) {
      while (this.#waiting.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const next = this.#waiting.shift();
      if (next === undefined) return;
      yield next;
    }
  }
}
