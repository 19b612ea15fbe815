import {
  create,
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  type FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { expect } from "vitest";
import type { Codec, CodecOptions } from "#codec";
import { ways } from "./messages.ts";

type Message = Omit<MessageInitShape<typeof DescriptorProtoSchema>, "$typeName" | "$unknown">;
export type FieldInit = Exclude<MessageInitShape<typeof FieldDescriptorProtoSchema>, { $typeName: string }>;
export type FileInit = Exclude<MessageInitShape<typeof FileDescriptorProtoSchema>, { $typeName: string }>;

/** Ways to make a codec, with code that replaces closures half-way. */
export const allWays: readonly (readonly [name: string, options: CodecOptions])[] = [
  ...ways,
  ["in use", { compile: "in use" }],
];

/** A message type `M` that no compiler made or checked, in the package `t` and proto3, with whatever else is given. */
export function handmade(
  message: Message,
  more: FileInit = {},
): { readonly type: DescMessage; readonly registry: FileRegistry } {
  const file = create(FileDescriptorProtoSchema, {
    name: "t.proto",
    package: "t",
    syntax: "proto3",
    ...more,
  });
  file.messageType.unshift(create(DescriptorProtoSchema, { name: "M", ...message }));
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  const type = registry.getMessage(`${file.package}.${message.name ?? "M"}`);
  if (type === undefined) throw new Error("no type");
  return { type, registry };
}

/** A field of strings. */
export function text(name: string, number: number, jsonName = name): FieldInit {
  return { name, jsonName, number, type: Type.STRING, label: Label.OPTIONAL };
}

/** So many times a codec has to be used to be compiled when it is "in use". */
export const turns = 20;

/** Both directions, often enough for code to replace closures. */
export function roundTrip(codec: Codec, wire: Uint8Array, json: string): void {
  for (let turn = 0; turn < turns; turn++) {
    expect(Buffer.from(codec.toJson(wire)).toString()).toBe(json);
    const read = codec.fromJson(Buffer.from(json));
    // `toEqual` is slow for long ones.
    if (!Buffer.from(read).equals(wire)) expect(Buffer.from(read)).toEqual(Buffer.from(wire));
  }
}

/** Fails if anything that was to be data was run, or reached the prototype of all objects. */
export function expectUntouched(): void {
  expect(globalThis).not.toHaveProperty("attacked");
  expect(Reflect.ownKeys(Object.prototype)).toEqual(ownKeysBefore);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
}

const ownKeysBefore = Reflect.ownKeys(Object.prototype);
