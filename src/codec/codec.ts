import type { DescField, DescMessage, Registry } from "@bufbuild/protobuf";

export type EmitDefaults = "none" | "scalars" | "all";

/** How JSON is written and read; the defaults are those of ProtoJSON. */
export interface CodecOptions {
  /**
   * What is printed of fields that are not set: nothing; scalars without presence at their default, empty lists and maps
   * (`always_print_fields_with_no_presence` of other languages); or all of them, with null for those that have presence,
   * except members of a oneof and proto3's `optional` (`EmitUnpopulated` of Go). Default `none`.
   */
  readonly emitDefaults?: EmitDefaults;
  /** Print enum values as numbers. Default false. */
  readonly enumsAsInts?: boolean;
  /** Print fields by their names in the proto instead of lowerCamelCase. Default false. */
  readonly protoNames?: boolean;
  /** Drop unknown JSON fields instead of refusing them. Default false. */
  readonly ignoreUnknownFields?: boolean;
  /** Read names of enum values in any case. Default false. */
  readonly caseInsensitiveEnums?: boolean;
  /**
   * When a type is compiled to code of its own: once it is in use, which keeps the first message of a large type quick
   * (the default), with its first message, or never. Until then, and where the platform forbids to make code of strings
   * (`--disallow-code-generation-from-strings`), slower closures serve, with the same results.
   */
  readonly compile?: "in use" | "at first" | "never";
}

/**
 * Converts one message type between ProtoJSON and the wire. Stateless; safe to share. Results may share a buffer with
 * other results, as those of `Buffer.from` do, and never with the input: copy what is small and kept for long.
 */
export interface Codec {
  readonly type: DescMessage;
  /** @throws CodecError with side "wire" when the bytes are not such a message, or have no JSON form */
  toJson(wire: Uint8Array): Uint8Array;
  /** @throws CodecError with side "json" that names the path of the fault */
  fromJson(json: Uint8Array): Uint8Array;
}

/** Converts one field of a message: what `body: "field"` and `response_body: "field"` of an HTTP rule need. */
export interface FieldCodec {
  readonly field: DescField;
  /** The JSON of the field alone, out of a whole message on the wire; the JSON of an unset field is its default's. */
  toJson(wire: Uint8Array): Uint8Array;
  /** The wire form of the whole message with only this field set, from the JSON of the field alone. `null` unsets. */
  fromJson(json: Uint8Array): Uint8Array;
}

/** Makes codecs, once per type, lazily. One per snapshot. */
export interface Codecs {
  message(type: DescMessage): Codec;
  field(field: DescField): FieldCodec;
}

export type CreateCodecs = (registry: Registry, options?: CodecOptions) => Codecs;
