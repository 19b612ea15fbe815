import { create, type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "#gen/grpc/reflection/v1/reflection_pb";
import { ServerReflection as ServerReflectionAlpha } from "#gen/grpc/reflection/v1alpha/reflection_pb";
import { type BoundMethod, bidiStreaming, methodDefinition } from "./method.ts";

type Answer = ServerReflectionResponse["messageResponse"];

/**
 * gRPC server reflection, v1 and v1alpha, for some services. Hands out the descriptors as they were compiled, with the
 * custom options in them: `@grpc/reflection` loses those, and `google.api.http` is one.
 */
export function reflectionMethods(services: readonly DescService[]): BoundMethod[] {
  const files = filesOf(services);
  const symbols = symbolsOf([...files.values()]);
  const answer = (request: ServerReflectionRequest): Answer => {
    const { case: kind, value } = request.messageRequest;
    switch (kind) {
      case "listServices":
        return found("listServicesResponse", {
          service: services.map(({ typeName }) => ({ name: typeName })),
        });
      case "fileByFilename":
        return descriptors(files.get(value), value);
      case "fileContainingSymbol":
        return descriptors(symbols.get(value), value);
      case "fileContainingExtension":
        return failed(status.NOT_FOUND, "there are no extensions");
      case "allExtensionNumbersOfType":
        return failed(status.NOT_FOUND, "there are no extensions");
      case undefined:
        return failed(status.INVALID_ARGUMENT, "the request asks for nothing");
    }
  };
  const v1 = bidiStreaming(ServerReflection.method.serverReflectionInfo, async function* (requests) {
    for await (const request of requests) {
      yield create(ServerReflectionResponseSchema, {
        validHost: request.host,
        originalRequest: request,
        messageResponse: answer(request),
      });
    }
  });
  const { path } = methodDefinition(ServerReflectionAlpha.method.serverReflectionInfo);
  // The two versions differ in their names alone, and names are not on the wire.
  const alpha: BoundMethod = {
    ...v1,
    descriptor: ServerReflectionAlpha.method.serverReflectionInfo,
    definition: { ...v1.definition, path },
  };
  return [v1, alpha];
}

function found(kind: "listServicesResponse", value: { service: { name: string }[] }): Answer {
  return create(ServerReflectionResponseSchema, { messageResponse: { case: kind, value } }).messageResponse;
}

function failed(errorCode: status, errorMessage: string): Answer {
  return create(ServerReflectionResponseSchema, {
    messageResponse: { case: "errorResponse", value: { errorCode, errorMessage } },
  }).messageResponse;
}

/** A file with everything that it imports, itself first. */
function descriptors(file: DescFile | undefined, wanted: string): Answer {
  if (file === undefined) return failed(status.NOT_FOUND, `${wanted} is not known`);
  const all = new Set([file]);
  for (const each of all) for (const dependency of each.dependencies) all.add(dependency);
  const fileDescriptorProto = [...all].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return create(ServerReflectionResponseSchema, {
    messageResponse: { case: "fileDescriptorResponse", value: { fileDescriptorProto } },
  }).messageResponse;
}

function filesOf(services: readonly DescService[]): Map<string, DescFile> {
  const all = new Set(services.map(({ file }) => file));
  for (const file of all) for (const dependency of file.dependencies) all.add(dependency);
  return new Map([...all].map((file) => [file.proto.name, file]));
}

/** Services, their methods, messages and enums, by their full names. */
function symbolsOf(files: readonly DescFile[]): Map<string, DescFile> {
  const symbols = new Map<string, DescFile>();
  for (const file of files) {
    const messages = [...file.messages];
    for (const message of messages) {
      messages.push(...message.nestedMessages);
      symbols.set(message.typeName, file);
      for (const nested of message.nestedEnums) symbols.set(nested.typeName, file);
    }
    for (const { typeName } of file.enums) symbols.set(typeName, file);
    for (const service of file.services) {
      symbols.set(service.typeName, file);
      for (const { name } of service.methods) symbols.set(`${service.typeName}.${name}`, file);
    }
  }
  return symbols;
}
