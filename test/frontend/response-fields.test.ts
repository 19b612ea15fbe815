import { describe, expect, test } from "vitest";
import { Metadata } from "#rpc";
import { appendGrpcMetadata } from "../../src/frontend/framing/status-fields.ts";
import { appendMetadata } from "../../src/frontend/response-fields.ts";
import { hopByHopNames } from "../support/hop-by-hop.ts";

describe.each([
  ["an answer over HTTP", appendMetadata],
  ["an answer in gRPC", appendGrpcMetadata],
])("metadata of an upstream in %s", (_name, append) => {
  test.each(["connection", ...hopByHopNames, "content-type", "content-length", "grpc-status"])(
    "less %s",
    (name) => {
      const fields = ["x-own", "1"];
      append(fields, new Metadata([name, "x", "x-a", "1", "x-a", "2"]));
      expect(fields).toEqual(["x-own", "1", "x-a", "1", "x-a", "2"]);
    },
  );
});

function shown(pairs: readonly string[]): string[] {
  const fields: string[] = [];
  appendMetadata(fields, new Metadata([...pairs]));
  return fields;
}

describe("metadata that become fields of an answer", () => {
  test("bare, in their order, as often as they came", () => {
    const pairs = ["x-a", "1", "set-cookie", "a=1", "x-a", "2", "set-cookie", "b=2", "x-bin", "AAE="];
    expect(shown(pairs)).toEqual(pairs);
  });

  test.each([
    "etag",
    "cache-control",
    "expires",
    "last-modified",
    "location",
    "content-disposition",
    "content-language",
    "retry-after",
    "vary",
    "www-authenticate",
    "x-grpc",
  ])("%s is the service's to say", (name) => {
    expect(shown([name, "a"])).toEqual([name, "a"]);
  });

  test.each([
    "content-length",
    "content-type",
    "content-encoding",
    "date",
    ":status",
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "x-request-id",
    "x-dragoman-reason",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "x a",
    "x:a",
    "X-A",
    "",
  ])("%s is not", (name) => {
    expect(shown([name, "1", "x-kept", "1"])).toEqual(["x-kept", "1"]);
  });

  describe.each(["", "a".repeat(46), "a".repeat(47), "a".repeat(100)])("after %j", (before) => {
    test.each(["a\r\nx: y", "a\nb", "a\0b", "s\u00fc\u00df", "a\u007fb", "\u007f", "\u001f"])(
      "a value that no field may have: %j",
      (value) => {
        expect(shown(["x-a", before + value, "x-kept", "1"])).toEqual(["x-kept", "1"]);
      },
    );

    test.each(["", " ", "~", "a b"])("a value that one may have: %j", (value) => {
      expect(shown(["x-a", before + value])).toEqual(["x-a", before + value]);
    });
  });
});

test("what was shown at a place says nothing of another value or name there", () => {
  const good = ["x-a", "1", "x-b", "2"];
  expect(shown(good)).toEqual(good);
  expect(shown(["x-a", "1\n", "x-b", "2"])).toEqual(["x-b", "2"]);
  expect(shown(["x-a", "1\n", "x-b", "2"])).toEqual(["x-b", "2"]);
  expect(shown(good)).toEqual(good);
  expect(shown(["connection", "1", "x-b", "2"])).toEqual(["x-b", "2"]);
  expect(shown(["x-b", "2"])).toEqual(["x-b", "2"]);
  expect(shown(["x-a", "1\n"])).toEqual([]);
  expect(shown(["x-b", "1\n"])).toEqual([]);
  expect(shown(good)).toEqual(good);
});
