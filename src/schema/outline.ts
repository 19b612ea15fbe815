import type { DescMessage } from "@bufbuild/protobuf";
import type { MethodOptions } from "@bufbuild/protobuf/wkt";

/** A message as far as paths into it go. */
export interface MessageOutline {
  readonly typeName: string;
  /** By its name in the proto. */
  field(name: string): FieldOutline | undefined;
}

export interface FieldOutline {
  readonly name: string;
  /** Whether it is a list or a map. */
  readonly repeated: boolean;
  /** Whether its values are no messages. A map's are its entries. */
  readonly scalar: boolean;
  /** The type of a field that is a single message. */
  readonly message: MessageOutline | undefined;
}

/** What a method's HTTP rules are checked against. */
export interface MethodOutline {
  /** With extensions, such as `google.api.http`; undefined when there are none. */
  readonly options: MethodOptions | undefined;
  readonly input: MessageOutline;
  readonly output: MessageOutline;
}

/** A message type whose descriptor is at hand. */
export function outlineOfDescriptor(type: DescMessage): MessageOutline {
  return {
    typeName: type.typeName,
    field(name) {
      const field = type.fields.find((each) => each.name === name);
      if (field === undefined) return undefined;
      return {
        name,
        repeated: field.fieldKind === "list" || field.fieldKind === "map",
        scalar: field.message === undefined && field.fieldKind !== "map",
        message: field.fieldKind === "message" ? outlineOfDescriptor(field.message) : undefined,
      };
    },
  };
}
