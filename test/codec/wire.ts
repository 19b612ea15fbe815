import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Messages on the wire, field by field, whole or not. */
export const wire = () => new BinaryWriter();
export const varint = (field: number, value: number) =>
  wire().tag(field, WireType.Varint).int32(value).finish();
export const bytes = (field: number, value: Uint8Array) =>
  wire().tag(field, WireType.LengthDelimited).bytes(value).finish();
export const text = (field: number, value: string) => bytes(field, Buffer.from(value));
export const fixed32 = (field: number, value: number) =>
  wire().tag(field, WireType.Bit32).fixed32(value).finish();
export const fixed64 = (field: number, value: bigint) =>
  wire().tag(field, WireType.Bit64).fixed64(value).finish();
export const float = (field: number, value: number) =>
  wire().tag(field, WireType.Bit32).float(value).finish();
export const double = (field: number, value: number) =>
  wire().tag(field, WireType.Bit64).double(value).finish();
export const groupStart = (field: number) => wire().tag(field, WireType.StartGroup).finish();
export const groupEnd = (field: number) => wire().tag(field, WireType.EndGroup).finish();
export const join = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);
export const group = (field: number, content: Uint8Array) =>
  join(groupStart(field), content, groupEnd(field));
