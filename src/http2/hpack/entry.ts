import { FieldKind, kindOf, valueIsValid } from "../field-kind.ts";

/** A field of a header table, checked once, however often it is used. */
export interface Entry {
  readonly name: string;
  readonly value: string;
  /** What the name means to HTTP/2; INVALID also where the value is one that no field may have. */
  readonly kind: FieldKind;
  /** As tables and lists count it: octets of name and value, and 32 (RFC 7541 4.1). */
  readonly size: number;
}

export function newEntry(name: string, value: string, kind: FieldKind = kindOf(name)): Entry {
  return {
    name,
    value,
    kind: valueIsValid(value) ? kind : FieldKind.INVALID,
    size: name.length + value.length + 32,
  };
}
