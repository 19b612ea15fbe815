import type { Range } from "./wire-cursor.ts";

/** A type that a file defines, by its full name. */
export interface SymbolIndex extends Range {
  readonly kind: "message" | "enum" | "service";
  readonly name: string;
}

export interface ExtensionIndex {
  /** Full name. */
  readonly name: string;
  /** Full name of the message that it extends. */
  readonly extendee: string;
  readonly number: number;
}

export interface MethodIndex {
  readonly name: string;
  /** Full names of the request and the response. */
  readonly input: string;
  readonly output: string;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
  /** `google.protobuf.MethodOptions`, undecoded; empty when there are none. */
  readonly options: Uint8Array;
}

export interface ServiceIndex {
  /** Full name. */
  readonly name: string;
  readonly methods: readonly MethodIndex[];
  /** `google.protobuf.ServiceOptions`, undecoded; empty when there are none. */
  readonly options: Uint8Array;
}

/**
 * What a `google.protobuf.FileDescriptorProto` defines and needs, read off its bytes in one pass: a schema of tens of
 * megabytes is known by name in a small part of the time and memory that its descriptors would take. Made by
 * `indexFile`.
 */
export interface FileIndex {
  /** The name by which it is imported. */
  readonly name: string;
  readonly dependencies: readonly string[];
  /** Those dependencies that whoever imports this file sees too. */
  readonly publicDependencies: readonly string[];
  readonly symbols: readonly SymbolIndex[];
  readonly extensions: readonly ExtensionIndex[];
  readonly services: readonly ServiceIndex[];
  /** Full names of the types that it refers to, each with the first name that does. */
  readonly references: ReadonlyMap<string, string>;
  /** A buf image says so of files that are there only because others import them. */
  readonly isImport: boolean;
  /** The whole descriptor. The ranges of symbols are within it. */
  readonly bytes: Uint8Array;
  /** The descriptor less its source code info: pieces of `bytes`, to be joined. */
  readonly body: readonly Uint8Array[];
  /** `google.protobuf.SourceCodeInfo`, undecoded: most of the bytes where it is present. */
  readonly sourceInfo: Uint8Array | undefined;
}
