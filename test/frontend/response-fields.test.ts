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
