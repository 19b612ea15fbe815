import { describe, expect, test } from "vitest";
import { createCodecs } from "#codec";
import { codecOf, faultOf, printed, proto3, registry, ways } from "./messages.ts";
import { bytes, join, text, varint } from "./wire.ts";

describe.each(ways)("one field alone, %s", (_name, options) => {
  const codec = codecOf(proto3, options);

  test("converts one field alone", () => {
    const codecs = createCodecs(registry, options);
    const field = (name: string) => {
      const found = proto3.fields.find((each) => each.name === name);
      if (found === undefined) throw new Error(name);
      return codecs.field(found);
    };
    const message = join(varint(1, 5), bytes(18, varint(1, 7)), varint(31, 1), varint(31, 2));
    const show = (name: string) => Buffer.from(field(name).toJson(message)).toString();
    expect(show("optional_int32")).toBe("5");
    expect(show("optional_nested_message")).toBe('{"a":7}');
    expect(show("repeated_int32")).toBe("[1,2]");
    expect(show("repeated_string")).toBe("[]");
    expect(show("map_string_string")).toBe("{}");
    expect(show("optional_string")).toBe('""');
    expect(show("optional_int64")).toBe('"0"');
    expect(show("recursive_message")).toBe("null");
    const read = (name: string, json: string) => printed(codec, field(name).fromJson(Buffer.from(json)));
    expect(read("optional_int32", "5")).toBe('{"optionalInt32":5}');
    expect(read("repeated_nested_message", '[{"a":1},{}]')).toBe('{"repeatedNestedMessage":[{"a":1},{}]}');
    expect(read("map_string_string", '{"a":"b"}')).toBe('{"mapStringString":{"a":"b"}}');
    expect(read("optional_nested_message", "null")).toBe("{}");
    expect(read("optional_value", "null")).toBe('{"optionalValue":null}');
    expect(faultOf(() => read("repeated_nested_message", '[{"a":1},{"a":"x"}]')).path).toBe("[1].a");
    expect(faultOf(() => read("optional_int32", "5 6")).fault).toBe("more follows the end of the JSON value");
    expect(faultOf(() => read("optional_int32", '5,"optionalInt64":6')).side).toBe("json");
  });

  test("shows the member of a oneof only when it is the one that is set", () => {
    const member = proto3.fields.find(({ name }) => name === "oneof_uint32");
    if (member === undefined) throw new Error("no such field");
    const codec1 = createCodecs(registry, options).field(member);
    expect(Buffer.from(codec1.toJson(varint(111, 5))).toString()).toBe("5");
    expect(Buffer.from(codec1.toJson(join(varint(111, 5), text(113, "x")))).toString()).toBe("null");
  });
});
