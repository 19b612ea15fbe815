import { expect, test } from "vitest";
import { Metadata } from "#rpc";
import { IdentityHeaders } from "../../../src/filter/authn/identity-headers.ts";

test("what a client says in the gateway's name is dropped, whatever stood in its place before", () => {
  const headers = new IdentityHeaders(new Map([["main", { "x-user": "sub" }]]));
  const stripped = (...pairs: string[]): readonly string[] => {
    const header = new Metadata(pairs);
    headers.strip(header);
    return header.pairs;
  };
  expect(stripped("x-a", "1", "x-b", "2")).toEqual(["x-a", "1", "x-b", "2"]);
  expect(stripped("x-user", "ann", "x-b", "2")).toEqual(["x-b", "2"]);
  expect(stripped("x-a", "1", "x_user", "ann")).toEqual(["x-a", "1"]);
  expect(stripped("x-dragoman-subject", "ann", "x-a", "1", "x-b", "2")).toEqual(["x-a", "1", "x-b", "2"]);
  expect(stripped("x-a", "1", "x-b", "2", "x-user", "ann")).toEqual(["x-a", "1", "x-b", "2"]);
});
