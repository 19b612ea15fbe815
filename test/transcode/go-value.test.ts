import { beforeAll, describe, expect, test } from "vitest";
import { loadSchema, type Schema } from "#schema";
import { fromGoValue } from "../../src/transcode/go-value.ts";
import { tempFolder } from "../support/temp-folder.ts";

const proto = `syntax = "proto3";
package t;
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/wrappers.proto";
service T { rpc Get(M) returns (M); }
message M {
  bool b = 1;
  int32 i = 2;
  uint64 u = 3;
  double d = 4;
  string s = 5;
  google.protobuf.Duration span = 6;
  google.protobuf.FieldMask mask = 7;
  google.protobuf.BoolValue flag = 8;
  google.protobuf.Int64Value number = 9;
}
`;

let schema: Schema;

beforeAll(async () => {
  await using folder = await tempFolder({ "t.proto": proto });
  const loaded = await loadSchema([{ kind: "proto", dir: folder.dir }], undefined);
  if (loaded.schema === undefined) throw new Error(JSON.stringify(loaded.problems));
  schema = loaded.schema;
});

function read(name: string, text: string, inPath: boolean): string {
  const field = schema.methods.get("t.T/Get")?.descriptor.input.fields.find((each) => each.name === name);
  if (field === undefined) throw new Error(name);
  return fromGoValue(field, text, inPath);
}

describe("values as Go reads them, as ProtoJSON writes them", () => {
  test.each([
    ["b", "1", "true"],
    ["b", "T", "true"],
    ["b", "FALSE", "false"],
    ["b", "tRUE", "tRUE"],
    ["flag", "f", "false"],
    ["i", "+5", "5"],
    ["i", "-05", "-05"],
    ["i", "-5", "-5"],
    ["i", "1_000", "1_000"],
    ["u", "18446744073709551615", "18446744073709551615"],
    ["number", "+7", "7"],
    ["d", "inf", "Infinity"],
    ["d", "-Infinity", "-Infinity"],
    ["d", "+Inf", "Infinity"],
    ["d", "nan", "NaN"],
    ["d", ".5", "0.5"],
    ["d", "5.", "5"],
    ["d", "+007.25E+3", "7.25e+3"],
    ["d", "x", "x"],
    ["s", "1", "1"],
    ["span", "1h30m", "5400.000000000s"],
    ["span", "-1.5s", "-1.500000000s"],
    ["span", "300ms", "0.300000000s"],
    ["span", "1us2ns", "0.000001002s"],
    ["span", "1µs", "0.000001000s"],
    ["span", "0", "0.000000000s"],
    ["span", "3.5s", "3.500000000s"],
    ["span", "1", "1"],
    ["span", "1d", "1d"],
    ["mask", "foo_bar,child.some_name", "fooBar,child.someName"],
    ["mask", "fooBar,", "fooBar"],
  ])("%s=%s", (name, text, expected) => {
    expect(read(name, text, false)).toBe(expected);
  });

  test.each([
    ["i", "0x10", "16"],
    ["i", "-0X1f", "-31"],
    ["i", "010", "8"],
    ["i", "0o17", "15"],
    ["i", "0b101", "5"],
    ["i", "09", "09"],
    ["i", "0", "0"],
    ["i", "12", "12"],
    ["u", "0xffffffffffffffff", "18446744073709551615"],
  ])("in paths integers have bases: %s=%s", (name, text, expected) => {
    expect(read(name, text, true)).toBe(expected);
  });
});
