import { describe, expect, test } from "vitest";
import { codecOf, faultOf, printed, proto3, ways } from "./messages.ts";
import { bytes, double, float } from "./wire.ts";

describe.each(ways)("numbers, %s", (_name, options) => {
  const codec = codecOf(proto3, options);

  test.each<readonly [number, string]>([
    [0.1, "0.1"],
    [1.5, "1.5"],
    [0.30000001192092896, "0.3"],
    [16777216, "16777216"],
    [3.4028234663852886e38, "3.4028235e+38"],
    [1.401298464324817e-45, "1e-45"],
    [-1.1754943508222875e-38, "-1.1754944e-38"],
    [123456.7890625, "123456.79"],
    [0.0000012345679012, "0.0000012345679"],
    [-0, "-0"],
    [Number.NEGATIVE_INFINITY, '"-Infinity"'],
  ])("prints the float %d as %s", (value, json) => {
    const message = float(11, value);
    expect(printed(codec, message)).toBe(`{"optionalFloat":${json}}`);
  });

  test("prints doubles and floats as the shortest text that reads back the same", () => {
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return (state >>> 0) / 4294967296;
    };
    for (let round = 0; round < 5000; round++) {
      const digits = 10 ** Math.floor(random() * 9);
      const value =
        (random() < 0.5 ? Math.round(random() * digits) / digits : random()) *
        10 ** Math.floor(random() * 40 - 20);
      const shortest = value === 0 ? "{}" : `{"optionalDouble":${value}}`;
      expect(printed(codec, double(12, value))).toBe(shortest);
      const printedFloat = printed(codec, float(11, value));
      const digitsOf = /:(.*)\}$/.exec(printedFloat)?.[1] ?? "0";
      expect(Math.fround(Number(digitsOf))).toBe(Math.fround(value));
      expect(digitsOf.replace(/e.*$/, "").replace(/^-?0*\.?0*|\./g, "").length).toBeLessThanOrEqual(20);
    }
  });

  const read = (field: string, json: string) =>
    printed(codec, codec.fromJson(Buffer.from(`{"${field}":${json}}`))).slice(field.length + 4, -1);

  test.each([
    ["1.0", "1"],
    ["1e2", "100"],
    ["1E+2", "100"],
    ["1.5e1", "15"],
    ["100e-2", "1"],
    ["0.1e1", "1"],
    ["-0", ""],
    ["0e999", ""],
    ["1.000000000000000000000000000000", "1"],
    ['"5"', "5"],
    ['"1e2"', "100"],
    ['"1.0"', "1"],
    ['"-5"', "-5"],
    ['"\\u0035"', "5"],
    ["2147483647.0", "2147483647"],
    ["21474836470e-1", "2147483647"],
    ["-2147483648e0", "-2147483648"],
  ])("every signed integer type takes %s", (json, expected) => {
    for (const type of ["Int32", "Sint32", "Sfixed32"]) expect(read(`optional${type}`, json)).toBe(expected);
    const quoted = expected === "" ? "" : `"${expected}"`;
    for (const type of ["Int64", "Sint64", "Sfixed64"]) expect(read(`optional${type}`, json)).toBe(quoted);
    if (expected.startsWith("-")) return;
    for (const type of ["Uint32", "Fixed32"]) expect(read(`optional${type}`, json)).toBe(expected);
    for (const type of ["Uint64", "Fixed64"]) expect(read(`optional${type}`, json)).toBe(quoted);
  });

  test("reads integers and decimals of any number of digits", () => {
    const digits = "9081726354453627180";
    for (let size = 1; size <= digits.length; size++) {
      const text = digits.slice(0, size);
      for (const json of [text, `-${text}`, `"${text}"`, `"-${text}"`]) {
        expect(read("optionalInt64", json)).toBe(`"${json.replaceAll('"', "")}"`);
      }
      for (let point = 1; point < size; point++) {
        const decimal = `${text.slice(0, point)}.${text.slice(point)}`;
        expect(read("optionalDouble", decimal)).toBe(String(Number(decimal)));
        expect(read("optionalDouble", `-0.${text}`)).toBe(String(-Number(`0.${text}`)));
      }
    }
  });

  test.each([
    "1.5",
    "1e-1",
    "1e400",
    "-1e400",
    "1e-400",
    "1e99999999999999999999",
    "+5",
    "05",
    "-05",
    "--5",
    "-",
    ".5",
    "5.",
    "1e",
    "1e+",
    "0x10",
    "1_000",
    "Infinity",
    "NaN",
    "١",
    "5n",
    "[5]",
    "{}",
    "true",
    '""',
    '" 5"',
    '"5 "',
    '" 5 "',
    '"5\\n"',
    '"+5"',
    '"0x10"',
    '"0b1"',
    '"1,000"',
    '"1.5"',
    '"NaN"',
    '"-"',
    '"e5"',
    '"1e"',
    '".5"',
    '"5."',
    '"١"',
    '"\\u00005"',
    '"1e400"',
    "99999999999999999999999999999999999999999",
    '"99999999999999999999999999999999999999999"',
    "-99999999999999999999999999999999999999999",
    `1${"0".repeat(5000)}`,
  ])("no integer type takes %s", (json) => {
    for (const size of ["32", "64"]) {
      for (const type of ["Int", "Uint", "Sint", "Fixed", "Sfixed"]) {
        const fault = faultOf(() => read(`optional${type}${size}`, json));
        expect(fault.side).toBe("json");
        expect(fault.path).toBe(`optional${type}${size}`);
        expect(fault.message.length).toBeLessThan(200);
      }
    }
  });

  test.each([
    ["Int32", "-2147483648", "2147483647"],
    ["Sint32", "-2147483648", "2147483647"],
    ["Sfixed32", "-2147483648", "2147483647"],
    ["Uint32", "0", "4294967295"],
    ["Fixed32", "0", "4294967295"],
    ["Int64", "-9223372036854775808", "9223372036854775807"],
    ["Sint64", "-9223372036854775808", "9223372036854775807"],
    ["Sfixed64", "-9223372036854775808", "9223372036854775807"],
    ["Uint64", "0", "18446744073709551615"],
    ["Fixed64", "0", "18446744073709551615"],
  ])("%s goes from %s to %s, in every notation, and no further", (type, least, most) => {
    const field = `optional${type}`;
    const isWide = type.endsWith("64");
    for (const limit of [least, most]) {
      const shifted = limit === "0" ? "0e-1" : `${limit}0e-1`;
      for (const json of [limit, `"${limit}"`, `${limit}.0`, shifted, `"${shifted}"`]) {
        const expected = limit === "0" ? "" : isWide ? `"${limit}"` : limit;
        expect(read(field, json)).toBe(expected);
      }
    }
    for (const beyond of [BigInt(least) - 1n, BigInt(most) + 1n]) {
      for (const json of [`${beyond}`, `"${beyond}"`, `${beyond}.0`, `${beyond}0e-1`]) {
        expect(faultOf(() => read(field, json)).path).toBe(field);
      }
    }
  });

  test.each([
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "4294967295",
    "4294967296",
    "-4294967296",
    "9999999999",
    "10000000000",
    "99999999999999999",
    "1000000000000000001",
    "-1000000000000000001",
  ])("64-bit integers hold %s exactly, quoted or not", (digits) => {
    const types = digits.startsWith("-") ? ["Int64", "Sint64", "Sfixed64"] : ["Int64", "Uint64", "Fixed64"];
    for (const type of types) {
      expect(read(`optional${type}`, digits)).toBe(`"${digits}"`);
      expect(read(`optional${type}`, `"${digits}"`)).toBe(`"${digits}"`);
      expect(read(`repeated${type}`, `[${digits},"${digits}"]`)).toBe(`["${digits}","${digits}"]`);
    }
    expect(read("mapInt64Int64", `{"${digits}":${digits}}`)).toBe(`{"${digits}":"${digits}"}`);
  });

  test.each([
    ["optionalDouble", "0", ""],
    ["optionalDouble", "-0", "-0"],
    ["optionalDouble", "-0.0e5", "-0"],
    ["optionalDouble", '"-0"', "-0"],
    ["optionalDouble", "1e-400", ""],
    ["optionalDouble", "-1e-400", "-0"],
    ["optionalDouble", "5e-324", "5e-324"],
    ["optionalDouble", "2.4703282292062327e-324", ""],
    ["optionalDouble", "1.7976931348623157e308", "1.7976931348623157e+308"],
    ["optionalDouble", "1.7976931348623158e308", "1.7976931348623157e+308"],
    ["optionalDouble", "0.1", "0.1"],
    ["optionalDouble", "100000000000000000000000", "1e+23"],
    ["optionalDouble", "9007199254740993", "9007199254740992"],
    ["optionalDouble", '"1.5"', "1.5"],
    ["optionalDouble", '"1e2"', "100"],
    ["optionalDouble", '"NaN"', '"NaN"'],
    ["optionalDouble", '"Infinity"', '"Infinity"'],
    ["optionalDouble", '"-Infinity"', '"-Infinity"'],
    ["optionalFloat", "0.1", "0.1"],
    ["optionalFloat", "0.10000000149011612", "0.1"],
    ["optionalFloat", "16777217", "16777216"],
    ["optionalFloat", "-0", "-0"],
    ["optionalFloat", "1e-400", ""],
    ["optionalFloat", "1e-45", "1e-45"],
    ["optionalFloat", "1e-46", ""],
    ["optionalFloat", "3.4028235e38", "3.4028235e+38"],
    ["optionalFloat", "3.4028235677973362e38", "3.4028235e+38"],
    ["optionalFloat", '"NaN"', '"NaN"'],
    ["oneofDouble", "0", "0"],
    ["oneofFloat", "-0", "-0"],
    ["optionalDoubleWrapper", "0", "0"],
    ["optionalDoubleWrapper", "-0", "-0"],
    ["repeatedDouble", "[0,-0,1e-400]", "[0,-0,0]"],
  ])("%s takes %s", (field, json, expected) => {
    expect(read(field, json)).toBe(expected);
  });

  test.each([
    "1e309",
    "-1e309",
    "1.7976931348623159e308",
    `1${"0".repeat(400)}`,
    '"1e309"',
    '"inf"',
    '"nan"',
    '"+Infinity"',
    '"infinity"',
    "Infinity",
    "-Infinity",
    "+1",
    "01",
    "1.",
    ".1",
    "1e",
    "0x1",
    '" 1"',
    '"1 "',
    '""',
    '"0x1"',
    '"1e"',
    '".5"',
    "true",
    "[]",
  ])("neither doubles nor floats take %s", (json) => {
    for (const field of ["optionalDouble", "optionalFloat", "oneofDouble", "optionalFloatWrapper"]) {
      const fault = faultOf(() => read(field, json));
      expect(fault.path).toBe(field);
      expect(fault.message.length).toBeLessThan(200);
    }
  });

  test.each(["3.5e38", "3.4028236e38", "-1e39", '"1e39"'])("floats do not take %s", (json) => {
    expect(faultOf(() => read("optionalFloat", json)).fault).toBe("the number is out of range");
    expect(faultOf(() => read("repeatedFloat", `[1,${json}]`)).path).toBe("repeatedFloat[1]");
  });

  test("all kinds of NaN are the same in JSON, and zeros are not", () => {
    for (const bits of [0x7fc00000, 0xffc00000, 0x7f800001]) {
      const message = Buffer.from([0x5d, 0, 0, 0, 0]);
      message.writeUInt32LE(bits >>> 0, 1);
      expect(printed(codec, message)).toBe('{"optionalFloat":"NaN"}');
    }
    expect(printed(codec, double(12, 0))).toBe("{}");
    expect(printed(codec, double(12, -0))).toBe('{"optionalDouble":-0}');
  });

  test("reads varints of any length, and keeps of them what fits", () => {
    const long = (...head: readonly number[]) => Buffer.from([...head, 0x80, 0x80, 0x00]);
    expect(printed(codec, Buffer.from([8, ...long(0x85)]))).toBe('{"optionalInt32":5}');
    expect(printed(codec, Buffer.from([16, ...long(0x85)]))).toBe('{"optionalInt64":"5"}');
    expect(printed(codec, Buffer.from([0x68, ...long(0x80)]))).toBe("{}");
    expect(printed(codec, Buffer.from([0x68, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]))).toBe(
      '{"optionalBool":true}',
    );
    // 2^32 + 5, of which 32 bits count.
    const beyond = [0x85, 0x80, 0x80, 0x80, 0x10];
    expect(printed(codec, Buffer.from([8, ...beyond, 24, ...beyond, 40, ...beyond]))).toBe(
      '{"optionalInt32":5,"optionalUint32":5,"optionalSint32":-3}',
    );
    expect(printed(codec, bytes(31, Buffer.from([...beyond, 1])))).toBe('{"repeatedInt32":[5,1]}');
  });
});
