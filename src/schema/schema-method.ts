import { type DescMethod, fromBinary, getExtension, hasExtension } from "@bufbuild/protobuf";
import {
  MethodOptions_IdempotencyLevel as IdempotencyLevel,
  type MethodOptions,
  MethodOptionsSchema,
  ServiceOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { type Policy, policy, service_policy } from "#gen/dragoman/v1/policy_pb";
import { http } from "#gen/google/api/annotations_pb";
import type { DescriptorPool } from "./descriptor-pool.ts";
import type { FileIndex, MethodIndex, ServiceIndex } from "./file-index.ts";
import type { DeclaredPolicy, Method, MethodKind, SourceLocation } from "./method.ts";
import { type MessageOutline, type MethodOutline, outlineOfDescriptor } from "./outline.ts";
import { findLocation } from "./source-location.ts";

/** Field numbers of google/protobuf/descriptor.proto, as paths to source locations use them. */
const inFile = { service: 6 } as const;
const inService = { method: 2 } as const;

/** The file of a method, as far as its methods need it. */
export interface MethodFile {
  readonly index: FileIndex;
  readonly pool: DescriptorPool;
  /** Turns the name of a file into one that the user knows. */
  readonly display: (name: string) => string;
}

/** The methods of a service that the schema serves. */
export function methodsOf(service: ServiceIndex, file: MethodFile): Method[] {
  let declared: Policy | undefined | "unread" = "unread";
  const inherited = (): Policy | undefined => {
    if (declared === "unread") declared = servicePolicy(service);
    return declared;
  };
  return service.methods.map((method) => new SchemaMethod(method, service, file, inherited));
}

function servicePolicy({ options }: ServiceIndex): Policy | undefined {
  if (options.length === 0) return undefined;
  const decoded = fromBinary(ServiceOptionsSchema, options);
  return hasExtension(decoded, service_policy) ? getExtension(decoded, service_policy) : undefined;
}

/** What is needed to check a method's HTTP rules; of a method of a schema, without building its descriptor. */
export function outlineOf(method: Method): MethodOutline {
  if (method instanceof SchemaMethod) return method.outline;
  const { input, output, proto } = method.descriptor;
  return {
    options: proto.options,
    input: outlineOfDescriptor(input),
    output: outlineOfDescriptor(output),
  };
}

/** A method known by its index; what takes its descriptor or its options is worked out when it is asked for. */
class SchemaMethod implements Method {
  readonly name: string;
  readonly path: string;
  readonly service: string;
  readonly kind: MethodKind;
  readonly #index: MethodIndex;
  readonly #service: ServiceIndex;
  readonly #file: MethodFile;
  readonly #inherited: () => Policy | undefined;
  #options: MethodOptions | undefined;
  #descriptor: DescMethod | undefined;

  constructor(
    index: MethodIndex,
    service: ServiceIndex,
    file: MethodFile,
    inherited: () => Policy | undefined,
  ) {
    this.service = service.name;
    this.name = `${service.name}/${index.name}`;
    this.path = `/${this.name}`;
    this.kind = kindOf(index);
    this.#index = index;
    this.#service = service;
    this.#file = file;
    this.#inherited = inherited;
  }

  get descriptor(): DescMethod {
    this.#descriptor ??= this.#file.pool
      .getService(this.service)
      ?.methods.find(({ name }) => name === this.#index.name);
    if (this.#descriptor === undefined) throw new Error(`${this.name} is not in its own schema`);
    return this.#descriptor;
  }

  get options(): MethodOptions {
    this.#options ??= fromBinary(MethodOptionsSchema, this.#index.options);
    return this.#options;
  }

  get outline(): MethodOutline {
    return {
      options: this.options,
      input: this.#messageOutline(this.#index.input),
      output: this.#messageOutline(this.#index.output),
    };
  }

  get idempotent(): boolean {
    if (this.options.idempotencyLevel !== IdempotencyLevel.IDEMPOTENCY_UNKNOWN) return true;
    return hasExtension(this.options, http) && getExtension(this.options, http).pattern.case === "get";
  }

  get declared(): DeclaredPolicy {
    const own = hasExtension(this.options, policy) ? getExtension(this.options, policy) : undefined;
    const inherited = this.#inherited();
    return {
      public: own?.public ?? inherited?.public,
      scopes: own !== undefined && own.scopes.length > 0 ? own.scopes : (inherited?.scopes ?? []),
      timeoutMs: durationMs(own) ?? durationMs(inherited),
    };
  }

  get location(): SourceLocation | undefined {
    const { index, display } = this.#file;
    if (index.sourceInfo === undefined) return undefined;
    const path = [
      inFile.service,
      index.services.indexOf(this.#service),
      inService.method,
      this.#service.methods.indexOf(this.#index),
    ];
    const found = findLocation(index.sourceInfo, path);
    return found === undefined ? undefined : { file: display(index.name), ...found };
  }

  #messageOutline(typeName: string): MessageOutline {
    const outline = this.#file.pool.outline(typeName);
    if (outline === undefined) throw new Error(`${typeName} is not in the schema of ${this.name}`);
    return outline;
  }
}

function kindOf({ clientStreaming, serverStreaming }: MethodIndex): MethodKind {
  if (clientStreaming) return serverStreaming ? "bidi_streaming" : "client_streaming";
  return serverStreaming ? "server_streaming" : "unary";
}

function durationMs(declared: Policy | undefined): number | undefined {
  const timeout = declared?.timeout;
  return timeout === undefined ? undefined : Number(timeout.seconds) * 1000 + timeout.nanos / 1e6;
}
