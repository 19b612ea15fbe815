import { expect, test } from "vitest";
import { normalizedPath } from "#expression";

test.each([
  ["/", "/"],
  ["/a/b", "/a/b"],
  ["/a/b/", "/a/b"],
  ["//", "/"],
  ["//a///b//", "/a/b"],
  ["/%61/b", "/a/b"],
  ["/a%2fb", "/a%2Fb"],
  ["/a%2Fb", "/a%2Fb"],
  // Undone once.
  ["/a%252fb", "/a%2fb"],
  ["/%C3%A9", "/é"],
  ["/\u00c3\u00a9", "/é"],
  ["/a%20b", "/a b"],
  ["/A/b", "/A/b"],
  ["/pkg%2ES/M", "/pkg.S/M"],
])("%s is %s", (path, normal) => {
  expect(normalizedPath(path)).toBe(normal);
});

test("what is not UTF-8 has no normal form", () => {
  expect(() => normalizedPath("/%ff")).toThrow(URIError);
});
