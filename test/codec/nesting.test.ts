import { FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { type Codec, createCodecs } from "#codec";
import { handmade } from "./handmade.ts";
import { codecOf, faultOf, messageType, printed, proto3, ways } from "./messages.ts";
import { bytes, group, join, text } from "./wire.ts";

const name = "x/protobuf_test_messages.proto3.TestAllTypesProto3";

function repeated<T>(times: number, start: T, wrap: (inner: T) => T): T {
  let value = start;
  for (let time = 0; time < times; time++) value = wrap(value);
  return value;
}

/** A way to nest, turn by turn, where each adds one level or a few. */
interface Nesting {
  readonly codec: Codec;
  /** So many turns are taken. */
  readonly most: number;
  readonly json: (turns: number) => string;
  readonly wire: (turns: number) => Uint8Array;
}

describe.each(ways)("100 messages within each other are the most, %s", (_name, options) => {
  const codec = codecOf(proto3, options);
  const of = (type: string) => codecOf(messageType(`google.protobuf.${type}`), options);
  const grouped = handmade({
    field: [{ name: "f", jsonName: "f", number: 1, type: Type.GROUP, typeName: ".t.M" }],
  });
  const empty: Uint8Array = Buffer.of();

  const nestings: Readonly<Record<string, Nesting>> = {
    messages: {
      codec,
      most: 99,
      json: (turns) => repeated(turns, "{}", (inner) => `{"recursiveMessage":${inner}}`),
      wire: (turns) => repeated(turns, empty, (inner) => bytes(27, inner)),
    },
    groups: {
      codec: createCodecs(grouped.registry, options).message(grouped.type),
      most: 99,
      json: (turns) => repeated(turns, "{}", (inner) => `{"f":${inner}}`),
      wire: (turns) => repeated(turns, empty, (inner) => group(1, inner)),
    },
    "lists of messages": {
      codec,
      most: 49,
      json: (turns) =>
        repeated(turns, "{}", (inner) => `{"repeatedNestedMessage":[{"corecursive":${inner}}]}`),
      wire: (turns) => repeated(turns, empty, (inner) => bytes(48, bytes(2, inner))),
    },
    "maps of messages": {
      codec,
      most: 49,
      json: (turns) =>
        repeated(turns, "{}", (inner) => `{"mapStringNestedMessage":{"k":{"corecursive":${inner}}}}`),
      wire: (turns) =>
        repeated(turns, empty, (inner) => bytes(71, join(text(1, "k"), bytes(2, bytes(2, inner))))),
    },
    Structs: {
      codec: of("Struct"),
      most: 99,
      json: (turns) => repeated(turns, "{}", (inner) => `{"k":${inner}}`),
      wire: (turns) =>
        repeated(turns, empty, (inner) => bytes(1, join(text(1, "k"), bytes(2, bytes(5, inner))))),
    },
    ListValues: {
      codec: of("ListValue"),
      most: 99,
      json: (turns) => repeated(turns, "[]", (inner) => `[${inner}]`),
      wire: (turns) => repeated(turns, empty, (inner) => bytes(1, bytes(6, inner))),
    },
    Anys: {
      codec: of("Any"),
      most: 99,
      json: (turns) => repeated(turns, "{}", (inner) => `{"@type":"x/google.protobuf.Any","value":${inner}}`),
      // An Any without a type has no value: the innermost one is empty.
      wire: (turns) =>
        repeated(turns, empty, (inner) =>
          inner.length === 0
            ? text(1, "x/google.protobuf.Any")
            : join(text(1, "x/google.protobuf.Any"), bytes(2, inner)),
        ),
    },
    "messages in Anys": {
      codec,
      most: 33,
      json: (turns) =>
        repeated(turns, "{}", (inner) => `{"optionalAny":{"@type":"${name}","recursiveMessage":${inner}}}`),
      wire: (turns) =>
        repeated(turns, empty, (inner) => bytes(305, join(text(1, name), bytes(2, bytes(27, inner))))),
    },
  };

  test.each(Object.keys(nestings))("of %s", (key) => {
    const { codec: nested, most, json, wire } = nestings[key] ?? expect.fail(key);
    expect(printed(nested, wire(most))).toBe(json(most));
    expect(Buffer.from(nested.fromJson(Buffer.from(json(most))))).toEqual(Buffer.from(wire(most)));
    for (const turns of [most + 1, most + 2, 5000]) {
      const onWire = faultOf(() => nested.toJson(wire(Math.min(turns, 2000))));
      expect(onWire.fault).toMatch(/nested more than 100 deep$/);
      expect(onWire.side).toBe("wire");
      const inJson = faultOf(() => nested.fromJson(Buffer.from(json(turns))));
      expect(inJson.fault).toMatch(/nested more than 100 deep$/);
      expect(inJson.side).toBe("json");
    }
  });

  test("of groups that nobody knows", () => {
    const unknown = (turns: number) => repeated(turns, empty, (inner) => group(9999, inner));
    expect(printed(codec, unknown(100))).toBe("{}");
    for (const turns of [101, 50_000]) {
      expect(faultOf(() => codec.toJson(unknown(Math.min(turns, 2000)))).fault).toMatch(
        /nested more than 100 deep$/,
      );
      // Neither do they have to end for that.
      expect(faultOf(() => codec.toJson(Buffer.alloc(turns, Buffer.of(0xfb, 0xf0, 0x04)))).side).toBe("wire");
    }
  });

  test("of JSON that is passed over", () => {
    const lenient = codecOf(proto3, { ...options, ignoreUnknownFields: true });
    const ignored = (turns: number) =>
      Buffer.from(`{"nope":${"[".repeat(turns)}${"]".repeat(turns)},"optionalInt32":1}`);
    expect(printed(lenient, lenient.fromJson(ignored(99)))).toBe('{"optionalInt32":1}');
    for (const turns of [101, 100_000]) {
      expect(faultOf(() => lenient.fromJson(ignored(turns))).fault).toBe("nested more than 100 deep");
    }
  });
});
