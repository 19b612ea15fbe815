import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { NameTable } from "./name-table.ts";

/**
 * What a value is on the wire; the numbers are those of `FieldDescriptorProto.Type`, of which `ScalarType` is a part.
 */
export const kind = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  group: 10,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
} as const;
export type Kind = (typeof kind)[keyof typeof kind];

/** Wire -> JSON: reads [pos, end), writes one JSON value at `at`. Returns where that ends. */
export type ToJson = (pos: number, end: number, at: number, depth: number) => number;
/** JSON -> wire: reads a value at `pos`, writes at `at`. Returns where the reader is; the writer is in `memory.at`. */
export type FromJson = (pos: number, at: number, depth: number) => number;

/** An enum, prepared for both directions. */
export interface EnumPlan {
  readonly name: string;
  /** Values not declared are as good as unknown fields. */
  readonly closed: boolean;
  /** `google.protobuf.NullValue`: null is its only JSON. */
  readonly isNull: boolean;
  /** The value of what is not set. */
  readonly first: number;
  /** The JSON of each value. */
  readonly texts: ReadonlyMap<number, Uint8Array>;
  readonly numbers: ReadonlyMap<string, number>;
  /** The same by names in upper case; undefined where case counts. */
  readonly folded: ReadonlyMap<string, number> | undefined;
  /** The same by the bytes of the name. */
  readonly names: NameTable;
}

/** What one value of a field is: the field's own, an element's, a map key's or a map value's. */
export interface ValuePlan {
  readonly kind: Kind;
  /** The wire type of one value. */
  readonly wire: number;
  readonly message: MessagePlan | undefined;
  readonly enum: EnumPlan | undefined;
  /** JSON null is a value of it: `google.protobuf.Value` and `NullValue`. */
  readonly takesNull: boolean;
}

export interface FieldPlan {
  readonly descriptor: DescField;
  readonly index: number;
  readonly number: number;
  /** The tag as a number: field number and wire type of one value; of the whole when packed. */
  readonly tag: number;
  /** The tag as it is written. */
  readonly tagBytes: Uint8Array;
  /** The other tag that readers must take: packed for unpacked and the other way round; 0 when there is none. */
  readonly otherTag: number;
  readonly shape: "singular" | "list" | "map";
  readonly packed: boolean;
  readonly value: ValuePlan;
  /** Of a map. */
  readonly key: ValuePlan | undefined;
  /** A value at its default is not there. */
  readonly implicit: boolean;
  readonly required: boolean;
  /** Fields of one oneof have the same number here, from 0. */
  readonly oneof: number | undefined;
  /** `,"name":` as it is written. */
  readonly chunk: Uint8Array;
  /** `"name":` as it is most likely to be read. */
  readonly keyBytes: Uint8Array;
  /** The JSON of the field's default, if defaults are to be shown. */
  readonly defaultText: Uint8Array | undefined;
}

/** A message type, prepared for both directions. */
export interface MessagePlan {
  readonly type: DescMessage;
  readonly fields: readonly FieldPlan[];
  readonly byNumber: ReadonlyMap<number, FieldPlan>;
  /** By JSON name and by proto name. */
  readonly byKey: ReadonlyMap<string, FieldPlan>;
  readonly oneofs: number;
  readonly ignoreUnknown: boolean;
  /** Its JSON is not an object of its fields. */
  readonly special: boolean;
  toJson: ToJson;
  fromJson: FromJson;
  /** As `toJson`, for messages whose fields come in any order and more than once. */
  toJsonCarefully: ToJson;
}
