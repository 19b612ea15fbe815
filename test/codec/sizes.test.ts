import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { codecOf, faultOf, printed, proto3, ways } from "./messages.ts";
import { text } from "./wire.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** Bytes of buffers that are still reached. */
function held(): number {
  // What the first finds is swept by the second at the latest.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

const megabyte = 1024 * 1024;

describe.each(ways)("messages of any size, %s", (_name, options) => {
  const codec = codecOf(proto3, options);
  const small = Buffer.from('{"optionalString":"small"}');

  test("keeps nothing of a large one, refused or not", () => {
    const json = Buffer.from(`{"optionalString":"${"x".repeat(9 * megabyte)}"}`);
    // Before any other test has left one.
    const before = held();
    codec.fromJson(json);
    expect(faultOf(() => codec.fromJson(json.subarray(0, -1))).side).toBe("json");
    expect(held() - before).toBeLessThan(megabyte);
  });

  test.each<readonly [string, string]>([
    ["some KB", "x".repeat(5000)],
    ["3 MB", "x".repeat(3 * megabyte)],
    ["3 MB that take six times as much as JSON", "\u0001".repeat(3 * megabyte)],
    ["9 MB", "x".repeat(9 * megabyte)],
  ])("converts %s, and small ones after it", (_size, value) => {
    const wire = text(14, value);
    const json = JSON.stringify({ optionalString: value });
    expect(Buffer.compare(codec.fromJson(Buffer.from(json)), wire)).toBe(0);
    expect(printed(codec, codec.fromJson(small))).toBe(small.toString());
    expect(printed(codec, wire) === json).toBe(true);
    expect(printed(codec, codec.fromJson(small))).toBe(small.toString());
  });

  test("refuses a large one, and converts small ones after it", () => {
    const json = Buffer.from(`{"optionalString":"${"x".repeat(9 * megabyte)}"`);
    expect(faultOf(() => codec.fromJson(json)).side).toBe("json");
    expect(faultOf(() => codec.toJson(text(14, "x".repeat(9 * megabyte)).subarray(0, -1))).side).toBe("wire");
    expect(printed(codec, codec.fromJson(small))).toBe(small.toString());
  });

  test("gives results that stay as they are", () => {
    const results = Array.from({ length: 300 }, (_, index) =>
      codec.fromJson(Buffer.from(`{"optionalString":"${String(index).repeat(index)}"}`)),
    );
    for (const [index, result] of results.entries()) {
      expect(
        Buffer.compare(result, text(14, String(index).repeat(index)).subarray(index === 0 ? 2 : 0)),
      ).toBe(0);
    }
  });
});
