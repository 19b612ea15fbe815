import { describe, expect, test } from "vitest";
import { parseTemplate, TemplateError } from "../../src/route/index.ts";

/** A template in a notation that is easy to compare. */
function shape(text: string): string {
  const { segments, variables, verb } = parseTemplate(text);
  const parts = segments.map((each) =>
    each.kind === "literal" ? each.text : each.kind === "single" ? "*" : "**",
  );
  const names = variables.map(
    ({ fieldPath, start, end, multi }) => `${fieldPath.join(".")}[${start},${end})${multi ? "+" : ""}`,
  );
  return [`/${parts.join("/")}`, ...names, ...(verb === undefined ? [] : [`:${verb}`])].join(" ");
}

describe("what is legal", () => {
  test.each([
    ["/", "/"],
    ["/a", "/a"],
    ["/a/b", "/a/b"],
    ["/a/*", "/a/*"],
    ["/**", "/**"],
    ["/{x}", "/* x[0,1)"],
    ["/{x=*}", "/* x[0,1)"],
    ["/{x=a}", "/a x[0,1)"],
    ["/{x=**}", "/** x[0,1)+"],
    ["/{x=a/*/b/**}", "/a/*/b/** x[0,4)+"],
    ["/v1/{a.b.c=x/*}/y", "/v1/x/*/y a.b.c[1,3)+"],
    ["/{a}/{b}:verb", "/*/* a[0,1) b[1,2) :verb"],
    ["/{x=**}:verb", "/** x[0,1)+ :verb"],
    ["/a:custom-verb", "/a :custom-verb"],
    ["/a/{x=b/**}/c/d", "/a/b/**/c/d x[1,3)+"],
    ["/a%2cb/%7e", "/a%2Cb/~"],
    ["/a.b-c_d~e!$&'()+,;@", "/a.b-c_d~e!$&'()+,;@"],
  ])("%s", (text, expected) => {
    expect(shape(text)).toBe(expected);
  });

  test("segments after ** are outside of the grammar, and known as such", () => {
    expect(parseTemplate("/a/{x=**}/b").irregular).toBe(true);
    expect(parseTemplate("/a/{x=**}:b").irregular).toBe(false);
  });
});

describe("what is not", () => {
  test.each([
    ["", 0],
    ["a", 0],
    ["a/b", 0],
    ["/a/", 3],
    ["//", 1],
    ["/a//b", 3],
    ["/:verb", 2],
    ["/a:", 3],
    ["/a/:verb", 3],
    ["/a:b:c", 4],
    ["/{}", 2],
    ["/{=*}", 2],
    ["/{x", 1],
    ["/{x=", 4],
    ["/x}", 2],
    ["/{x=*", 1],
    ["/{x={y}}", 4],
    ["/{x=a:verb}", 5],
    ["/{x}/{x}", 5],
    ["/a{x}", 2],
    ["/{x}b", 4],
    ["/***", 3],
    ["/*a", 2],
    ["/a*", 2],
    ["/foo/bar*", 8],
    ["/**/**", 4],
    ["/a/**/*", 6],
    ["/a b", 2],
    ["/a?b", 2],
    ["/a#b", 2],
    ["/{1x}", 2],
    ["/{x.}", 4],
    ["/%zz", 1],
    ["/a%2", 2],
  ])("%s", (text, position) => {
    try {
      parseTemplate(text);
    } catch (error) {
      expect(error).toBeInstanceOf(TemplateError);
      expect((error as TemplateError).position).toBe(position);
      return;
    }
    throw new Error("it was accepted");
  });
});
