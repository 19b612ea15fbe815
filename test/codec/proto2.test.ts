import { describe, expect, test } from "vitest";
import { codecOf, faultOf, messageType, printed, proto2, ways } from "./messages.ts";
import { bytes, group, groupEnd, groupStart, join, text, varint } from "./wire.ts";

describe.each(ways)("proto2, %s", (_name, options) => {
  const codec = codecOf(proto2, options);
  const required = codecOf(messageType("protobuf_test_messages.proto2.TestAllRequiredTypesProto2"), options);
  const back = (json: string) => printed(codec, codec.fromJson(Buffer.from(json)));

  test.each<readonly [string, Uint8Array, string]>([
    ["a zero that was set", join(varint(1, 0), text(14, "")), '{"optionalInt32":0,"optionalString":""}'],
    ["no default that was not set", Buffer.of(), "{}"],
    ["a default that was set", varint(241, -123456789), '{"defaultInt32":-123456789}'],
    ["a group", group(201, varint(202, 5)), '{"data":{"groupInt32":5}}'],
    ["an empty group", group(201, Buffer.of()), '{"data":{}}'],
    [
      "a group in pieces",
      join(group(201, varint(202, 5)), varint(1, 1), group(201, varint(203, 6))),
      '{"data":{"groupInt32":5,"groupUint32":6},"optionalInt32":1}',
    ],
    [
      "a group with what nobody knows",
      group(201, join(group(9, text(1, "x")), varint(202, 5))),
      '{"data":{"groupInt32":5}}',
    ],
    ["a list that is not packed, packed", bytes(31, Buffer.of(1, 2)), '{"repeatedInt32":[1,2]}'],
    ["a list that is packed, not packed", join(varint(75, 1), varint(75, 2)), '{"packedInt32":[1,2]}'],
    [
      "a list, packed and not by turns",
      join(varint(31, 1), bytes(31, Buffer.of(2)), varint(31, 3)),
      '{"repeatedInt32":[1,2,3]}',
    ],
    ["a closed enum's last known value", join(varint(21, 1), varint(21, 77)), '{"optionalNestedEnum":"BAR"}'],
    ["no closed enum's unknown value", join(varint(21, 77), varint(1, 1)), '{"optionalInt32":1}'],
    [
      "a list of closed enums without unknown ones",
      join(varint(51, 77), varint(51, 1), varint(51, 78)),
      '{"repeatedNestedEnum":["BAR"]}',
    ],
    [
      "a packed list of closed enums without unknown ones",
      bytes(88, Buffer.of(77, 1, 78)),
      '{"packedNestedEnum":["BAR"]}',
    ],
    ["an empty list of unknown ones", bytes(88, Buffer.of(77, 78)), "{}"],
    [
      "a map of closed enums without unknown ones",
      join(bytes(73, join(text(1, "a"), varint(2, 77))), bytes(73, join(text(1, "b"), varint(2, 1)))),
      '{"mapStringNestedEnum":{"b":"BAR"}}',
    ],
    [
      "the member before a closed enum's unknown value",
      join(varint(111, 5), varint(119, 77)),
      '{"oneofUint32":5}',
    ],
    ["a negative enum value", varint(21, -1), '{"optionalNestedEnum":"NEG"}'],
    ["an extension", varint(120, 5), '{"[protobuf_test_messages.proto2.extension_int32]":5}'],
    [
      "an extension that is a group",
      group(121, varint(122, 5)),
      '{"[protobuf_test_messages.proto2.groupfield]":{"groupInt32":5}}',
    ],
  ])("prints %s", (_case, message, json) => {
    expect(printed(codec, message)).toBe(json);
  });

  test.each<readonly [string, Uint8Array]>([
    ["that ends nowhere", join(groupStart(201), varint(202, 5))],
    ["that ends as another", join(groupStart(201), varint(202, 5), groupEnd(204))],
    ["that ends after the message it is in", join(bytes(27, groupStart(201)), groupEnd(201))],
    ["whose field is cut short", join(groupStart(201), varint(202, 300).subarray(0, -1), groupEnd(201))],
  ])("refuses a group %s", (_case, message) => {
    expect(faultOf(() => codec.toJson(message)).side).toBe("wire");
  });

  test.each([
    '{"optionalInt32":0,"optionalString":""}',
    '{"data":{"groupInt32":5}}',
    '{"multiwordgroupfield":{"groupInt32":5,"groupUint32":6}}',
    '{"[protobuf_test_messages.proto2.extension_int32]":0}',
    '{"[protobuf_test_messages.proto2.groupfield]":{"groupInt32":5}}',
    '{"optionalNestedEnum":"FOO"}',
  ])("takes %s", (json) => {
    expect(back(json)).toBe(json);
  });

  test.each([
    ['{"optionalNestedEnum":77}', "optionalNestedEnum"],
    ['{"repeatedNestedEnum":["FOO",77]}', "repeatedNestedEnum[1]"],
    ['{"mapStringNestedEnum":{"a":77}}', 'mapStringNestedEnum["a"]'],
    ['{"oneofEnum":"NOPE"}', "oneofEnum"],
    ['{"[protobuf_test_messages.proto2.no_such]":1}', "[protobuf_test_messages.proto2.no_such]"],
    ['{"protobuf_test_messages.proto2.extension_int32":1}', "protobuf_test_messages.proto2.extension_int32"],
    ['{"extension_int32":1}', "extension_int32"],
    ['{"data":[]}', "data"],
  ])("refuses %s", (json, path) => {
    expect(faultOf(() => codec.fromJson(Buffer.from(json))).path).toBe(path);
  });

  test("names that an enum does not have are dropped when unknown fields are, numbers are not", () => {
    const lenient = codecOf(proto2, { ...options, ignoreUnknownFields: true });
    const drop = (json: string) => printed(lenient, lenient.fromJson(Buffer.from(json)));
    expect(drop('{"optionalNestedEnum":"NOPE","optionalInt32":1}')).toBe('{"optionalInt32":1}');
    expect(drop('{"repeatedNestedEnum":["NOPE","BAR","NOPE"]}')).toBe('{"repeatedNestedEnum":["BAR"]}');
    expect(drop('{"packedNestedEnum":["NOPE"]}')).toBe("{}");
    expect(drop('{"mapStringNestedEnum":{"a":"NOPE","b":"BAR"}}')).toBe(
      '{"mapStringNestedEnum":{"b":"BAR"}}',
    );
    expect(drop('{"oneofEnum":"NOPE"}')).toBe("{}");
    expect(faultOf(() => drop('{"optionalNestedEnum":77}')).path).toBe("optionalNestedEnum");
    expect(faultOf(() => drop('{"optionalNestedEnum":true}')).path).toBe("optionalNestedEnum");
  });

  test("what is required is demanded in both directions, and in messages within messages", () => {
    expect(faultOf(() => required.fromJson(Buffer.from("{}"))).side).toBe("json");
    expect(faultOf(() => required.toJson(Buffer.of())).message).toMatch(/required/);
    const inner = codecOf(
      messageType("protobuf_test_messages.proto2.TestAllRequiredTypesProto2.Data"),
      options,
    );
    expect(inner.fromJson(Buffer.from('{"groupInt32":0,"groupUint32":0}'))).toHaveLength(6);
    expect(faultOf(() => inner.fromJson(Buffer.from('{"groupInt32":0}'))).fault).toMatch(
      /groupUint32 is missing$/,
    );
    expect(faultOf(() => inner.fromJson(Buffer.from('{"groupInt32":0,"groupUint32":null}'))).fault).toMatch(
      /groupUint32 is missing$/,
    );
    expect(faultOf(() => inner.toJson(varint(202, 0))).fault).toMatch(/group_uint32 is not set$/);
    // In whatever order, and in pieces.
    expect(printed(inner, join(varint(203, 1), varint(202, 2), varint(203, 3)))).toMatch(/"groupUint32":3/);
    const nested = {
      "@type": "x/protobuf_test_messages.proto2.TestAllRequiredTypesProto2.Data",
      groupInt32: 0,
    };
    const any = codecOf(messageType("google.protobuf.Any"), options);
    expect(faultOf(() => any.fromJson(Buffer.from(JSON.stringify(nested)))).side).toBe("json");
  });
});
