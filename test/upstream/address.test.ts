import { expect, test } from "vitest";
import { joinAddress, splitAddress } from "../../src/upstream/address.ts";

const addresses: readonly (readonly [string, string, number])[] = [
  ["localhost:50051", "localhost", 50051],
  ["10.0.0.1:1", "10.0.0.1", 1],
  ["[::1]:50051", "::1", 50051],
];

for (const [text, host, port] of addresses) {
  test(`${text} has a host and a port`, () => {
    expect(splitAddress(text)).toEqual({ host, port });
    expect(joinAddress(host, port)).toBe(text);
  });
}

for (const text of ["localhost", "::1", "a:b", "a:70000", "[x]:1", ":1", "a b:1", "http://a:1"]) {
  test(`${text} is not an address`, () => expect(splitAddress(text)).toBeUndefined());
}
