import { execFileSync } from "node:child_process";
import path from "node:path";
import { createFileRegistry, fromBinary, fromJsonString, type Registry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { CodecError, createCodecs } from "#codec";
import { image as conformanceImage } from "./messages.ts";
import { createRandom } from "./random.ts";
import { randomMessage } from "./random-message.ts";
import { messageCount, randomSchema } from "./random-schema.ts";

/** A type and a message of it on the wire. */
type Sample = readonly [type: string, wire: Uint8Array];

function typeOf(registry: Registry, name: string) {
  const type = registry.getMessage(name);
  if (type === undefined) throw new Error(`no type ${name}`);
  return type;
}

/** What a process that may not make code of strings makes of the samples. */
function convertElsewhere(
  image: Uint8Array,
  samples: readonly Sample[],
): { readonly generates: boolean; readonly results: unknown } {
  const printed = execFileSync(
    process.execPath,
    ["--disallow-code-generation-from-strings", path.join(import.meta.dirname, "convert.js")],
    {
      input: JSON.stringify({
        image: Buffer.from(image).toString("base64"),
        messages: samples.map(([type, wire]) => [type, Buffer.from(wire).toString("base64")]),
      }),
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    },
  );
  return JSON.parse(printed);
}

/** The same by generated code in this process. */
function convertHere(image: Uint8Array, samples: readonly Sample[]): readonly (readonly string[])[] {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
  const codecs = createCodecs(registry, { compile: "at first" });
  return samples.map(([name, wire]) => {
    const codec = codecs.message(typeOf(registry, name));
    try {
      const json = Buffer.from(codec.toJson(wire));
      return [json.toString(), Buffer.from(codec.fromJson(json)).toString("base64")];
    } catch (error) {
      if (error instanceof CodecError) return [error.message];
      throw error;
    }
  });
}

test.each([1, 2, 3])("where code may not be made of strings, results are the same (seed %i)", (seed) => {
  const random = createRandom(seed);
  const { registry, image } = randomSchema(random);
  const samples = Array.from({ length: 40 }, (): Sample => {
    const type = typeOf(registry, `fuzz.M${random.int(messageCount)}`);
    return [type.typeName, toBinary(type, randomMessage(random, type, registry))];
  });
  const elsewhere = convertElsewhere(image, samples);
  expect(elsewhere.generates).toBe(false);
  expect(elsewhere.results).toEqual(convertHere(image, samples));
});

const proto3 = "protobuf_test_messages.proto3.TestAllTypesProto3";
const proto2 = "protobuf_test_messages.proto2.TestAllTypesProto2";
const edition2023 = "protobuf_test_messages.editions.TestAllTypesEdition2023";

test("nor do they differ for any kind of field", () => {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, conformanceImage));
  const random = createRandom(7);
  const written: readonly (readonly [type: string, json: string])[] = [
    [proto3, `{"optionalAny":{"@type":"x/${proto3}","optionalAny":{"@type":"x/${proto2}","data":{}}}}`],
    [proto3, '{"optionalStruct":{"a":[1,{"b":null},"x"]},"optionalFieldMask":"a.bC,d"}'],
    [proto3, '{"mapStringNestedMessage":{"a":{"a":1},"":{}},"mapBoolBool":{"true":false,"false":true}}'],
    [proto2, '{"data":{"groupInt32":5},"multiwordgroupfield":{"groupUint32":6}}'],
    [proto2, '{"[protobuf_test_messages.proto2.extension_int32]":5}'],
    [proto2, '{"[protobuf_test_messages.proto2.groupfield]":{"groupInt32":1}}'],
    [
      edition2023,
      '{"[protobuf_test_messages.editions.delimited_ext]":{"c":1},"groupliketype":{"groupInt32":2}}',
    ],
  ];
  const samples: readonly Sample[] = [
    ...written.map(([name, json]): Sample => {
      const type = typeOf(registry, name);
      return [name, toBinary(type, fromJsonString(type, json, { registry }))];
    }),
    ...[proto3, proto2, edition2023].flatMap((name) =>
      Array.from({ length: 12 }, (): Sample => {
        const type = typeOf(registry, name);
        return [name, toBinary(type, randomMessage(random, type, registry))];
      }),
    ),
    [proto3, Buffer.of(0x72, 0x05, 0x61)],
    [proto3, Buffer.of(0x72, 0x01, 0xff)],
  ];
  const elsewhere = convertElsewhere(conformanceImage, samples);
  const here = convertHere(conformanceImage, samples);
  expect(elsewhere).toEqual({ generates: false, results: here });
  // All but the broken ones were converted.
  expect(here.filter((result) => result.length === 1)).toHaveLength(2);
});
