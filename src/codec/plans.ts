import {
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescMessage,
  type Registry,
  ScalarType,
} from "@bufbuild/protobuf";
import { protoCamelCase } from "@bufbuild/protobuf/reflect";
import type { SchemaRegistry } from "#schema";
import type { CodecOptions, EmitDefaults } from "./codec.ts";
import { type Fields, type Implementation, LazyMessagePlan } from "./message-plan.ts";
import { createNameTable } from "./name-table.ts";
import { type EnumPlan, type FieldPlan, type Kind, kind, type MessagePlan, type ValuePlan } from "./plan.ts";
import { delimited, endGroup, fixed32, fixed64, startGroup, varint } from "./wire.ts";

/** Prepares messages and enums for conversion, each once. */
export interface Plans {
  readonly registry: Registry;
  readonly options: CodecOptions;
  message(type: DescMessage): MessagePlan;
  /** The plan of a message that has only this field, and the others of its oneof. It shows defaults. */
  alone(field: DescField): MessagePlan;
}

/** @param implement makes a message's functions; `special` ones first */
export function createPlans(
  registry: Registry,
  options: CodecOptions,
  implement: (plan: MessagePlan, plans: Plans) => Implementation,
  isSpecial: (type: DescMessage) => boolean,
): Plans {
  const messages = new Map<DescMessage, MessagePlan>();
  const enums = new Map<DescEnum, EnumPlan>();
  const extensionsOf = findExtensions(registry);

  const plans: Plans = {
    registry,
    options,
    message(type) {
      let plan = messages.get(type);
      if (plan === undefined) {
        const fields = [...type.fields, ...extensionsOf(type)];
        plan = planMessage(type, fields, options, isSpecial(type));
        messages.set(type, plan);
      }
      return plan;
    },
    alone: (field) =>
      planMessage(
        field.parent,
        [field, ...(field.oneof?.fields ?? [])],
        { ...options, emitDefaults: "scalars" },
        false,
      ),
  };

  function planMessage(
    type: DescMessage,
    descriptors: readonly (DescField | DescExtension)[],
    { protoNames = false, emitDefaults = "none", ignoreUnknownFields = false }: CodecOptions,
    special: boolean,
  ): MessagePlan {
    return new LazyMessagePlan({
      type,
      ignoreUnknown: ignoreUnknownFields,
      special,
      prepare: () => prepareFields(descriptors, protoNames, emitDefaults),
      implement: (plan) => implement(plan, plans),
    });
  }

  function prepareFields(
    descriptors: readonly (DescField | DescExtension)[],
    protoNames: boolean,
    emitDefaults: EmitDefaults,
  ): Fields {
    // Nothing checked that descriptors are such as a compiler makes: of two fields with one number or name the first has it.
    const firsts = new Map<number, DescField | DescExtension>();
    for (const field of descriptors) {
      if (hasWireForm(field) && !firsts.has(field.number)) firsts.set(field.number, field);
    }
    const fields = [...firsts.values()].map((field, index) =>
      planField(field, index, protoNames, emitDefaults),
    );
    const byKey = new Map<string, FieldPlan>();
    const take = (key: string, field: FieldPlan) => {
      if (!byKey.has(key)) byKey.set(key, field);
    };
    // Where one field's JSON name is another's proto name, the JSON name wins.
    for (const field of fields) take(jsonNameOf(field.descriptor), field);
    for (const field of fields) {
      if (field.descriptor.kind === "field") take(field.descriptor.name, field);
    }
    return { fields, byKey, byNumber: new Map(fields.map((field) => [field.number, field])) };
  }

  function planField(
    field: DescField | DescExtension,
    index: number,
    protoNames: boolean,
    emitDefaults: EmitDefaults,
  ): FieldPlan {
    const { number, oneof } = field;
    const value = planValue(field);
    const shape = field.fieldKind === "list" ? "list" : field.fieldKind === "map" ? "map" : "singular";
    const packed = field.fieldKind === "list" && field.packed;
    const single = wireType(value.kind);
    const packable = shape === "list" && single !== delimited && single !== startGroup;
    const wire = shape === "map" || packed ? delimited : single;
    const implicit = field.presence === 2 /* implicit */ && shape === "singular";
    const key = JSON.stringify(protoNames && field.kind === "field" ? field.name : jsonNameOf(field));
    const unset = field.kind === "field" ? unsetJson(field, value, shape, implicit, emitDefaults) : undefined;
    const tag = ((number << 3) | wire) >>> 0;
    return {
      descriptor: field as DescField,
      index,
      number,
      tag,
      tagBytes: varintBytes(tag),
      otherTag: packable ? ((number << 3) | (packed ? single : delimited)) >>> 0 : 0,
      shape,
      packed,
      value,
      key:
        field.fieldKind === "map"
          ? { kind: field.mapKey, wire: wireType(field.mapKey), ...plain }
          : undefined,
      implicit,
      required: field.presence === 3 /* required */ && oneof === undefined,
      oneof: oneof === undefined ? undefined : oneof.parent.oneofs.indexOf(oneof),
      chunk: Buffer.from(`,${key}:`),
      keyBytes: Buffer.from(`${key}:`),
      defaultText: unset === undefined ? undefined : Buffer.from(`,${key}:${unset}`),
    };
  }

  function planValue(field: DescField | DescExtension): ValuePlan {
    const { message, enum: enumeration, scalar } = field;
    if (message !== undefined) {
      const grouped =
        (field.fieldKind === "message" || field.fieldKind === "list") && field.delimitedEncoding;
      const of = grouped === true ? kind.group : kind.message;
      return {
        kind: of,
        wire: wireType(of),
        message: plans.message(message),
        enum: undefined,
        takesNull: message.typeName === "google.protobuf.Value",
      };
    }
    if (enumeration !== undefined) {
      const plan = planEnum(enumeration);
      return { kind: kind.enum, wire: varint, message: undefined, enum: plan, takesNull: plan.isNull };
    }
    const of = scalar ?? ScalarType.STRING;
    return { kind: of, wire: wireType(of), ...plain };
  }

  function planEnum(type: DescEnum): EnumPlan {
    let plan = enums.get(type);
    if (plan === undefined) {
      const isNull = type.typeName === "google.protobuf.NullValue";
      const texts = new Map<number, Uint8Array>();
      for (const { name, number } of type.values) {
        const text = isNull ? "null" : options.enumsAsInts === true ? String(number) : JSON.stringify(name);
        if (!texts.has(number)) texts.set(number, Buffer.from(text));
      }
      const numbers = new Map(type.values.map(({ name, number }) => [name, number]));
      plan = {
        name: type.typeName,
        closed: !type.open,
        isNull,
        first: type.values[0]?.number ?? 0,
        texts,
        numbers,
        names: createNameTable(numbers),
        folded:
          options.caseInsensitiveEnums === true
            ? new Map(type.values.map(({ name, number }) => [name.toUpperCase(), number]))
            : undefined,
      };
      enums.set(type, plan);
    }
    return plan;
  }

  return plans;
}

const plain = { message: undefined, enum: undefined, takesNull: false } as const;

const largestNumber = 536_870_911;

/** Whether the field has a number and a type that the wire knows; it is as good as not there otherwise. */
function hasWireForm({ number, scalar }: DescField | DescExtension): boolean {
  if (!Number.isInteger(number) || number < 1 || number > largestNumber) return false;
  return scalar === undefined || scalar in ScalarType;
}

/** Descriptors that did not come from a compiler may lack JSON names. */
function jsonNameOf(field: DescField | DescExtension): string {
  return field.jsonName === "" ? protoCamelCase(field.name) : field.jsonName;
}

/** Looks through a registry only for a type that can have extensions: to iterate over a large one is costly. */
function findExtensions(
  registry: Registry | SchemaRegistry,
): (type: DescMessage) => readonly DescExtension[] {
  let byType: ReadonlyMap<string, readonly DescExtension[]> | undefined;
  return (type) => {
    if (type.proto.extensionRange.length === 0) return [];
    if ("extensionsOf" in registry) return registry.extensionsOf(type);
    byType ??= extensionsByType(registry);
    return byType.get(type.typeName) ?? [];
  };
}

function extensionsByType(registry: Registry): ReadonlyMap<string, readonly DescExtension[]> {
  const byType = new Map<string, DescExtension[]>();
  for (const type of registry) {
    if (type.kind !== "extension") continue;
    const others = byType.get(type.extendee.typeName);
    if (others === undefined) byType.set(type.extendee.typeName, [type]);
    else others.push(type);
  }
  return byType;
}

export function wireType(of: Kind): number {
  switch (of) {
    case kind.double:
    case kind.fixed64:
    case kind.sfixed64:
      return fixed64;
    case kind.float:
    case kind.fixed32:
    case kind.sfixed32:
      return fixed32;
    case kind.string:
    case kind.bytes:
    case kind.message:
      return delimited;
    case kind.group:
      return startGroup;
    default:
      return varint;
  }
}

/** The tag that ends a group. */
export function endTagBytes(field: FieldPlan): Uint8Array {
  return varintBytes(((field.number << 3) | endGroup) >>> 0);
}

function varintBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** The JSON of a field that is not set, if it is to be shown. */
function unsetJson(
  field: DescField,
  value: ValuePlan,
  shape: FieldPlan["shape"],
  implicit: boolean,
  emit: EmitDefaults,
): string | undefined {
  if (emit === "none") return undefined;
  if (implicit || shape !== "singular") return defaultJson(value, shape);
  return emit === "all" && field.oneof === undefined && !field.proto.proto3Optional ? "null" : undefined;
}

function defaultJson(value: ValuePlan, shape: FieldPlan["shape"]): string {
  if (shape !== "singular") return shape === "list" ? "[]" : "{}";
  switch (value.kind) {
    case kind.string:
    case kind.bytes:
      return '""';
    case kind.bool:
      return "false";
    case kind.enum:
      return Buffer.from(value.enum?.texts.get(0) ?? []).toString() || "0";
    case kind.int64:
    case kind.uint64:
    case kind.sint64:
    case kind.fixed64:
    case kind.sfixed64:
      return '"0"';
    default:
      return "0";
  }
}
