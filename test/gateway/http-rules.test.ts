import path from "node:path";
import { describe, expect, test } from "vitest";
import { parseConfig } from "#config";
import { type Plan, planGateway } from "#gateway";
import { formatProblem, loadSchema } from "#schema";
import { tempFolder } from "../support/temp-folder.ts";

const proto = (rules: string) => `syntax = "proto3";
package t;
import "google/api/annotations.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
service T {
  rpc Get(M) returns (M) { ${rules} }
  rpc Other(M) returns (M) { option (google.api.http) = { get: "/other/{s}" }; }
}
message M {
  string s = 1;
  M child = 2;
  repeated int32 list = 3;
  map<string, string> labels = 4;
  google.protobuf.Timestamp at = 5;
  google.protobuf.Struct struct = 6;
  oneof which { string left = 7; string right = 8; }
  repeated M children = 9;
}
`;

/** The plan of a gateway whose method `Get` has these annotations, and whose file ends in these lines. */
async function plan(rules: string, config = ""): Promise<Plan> {
  await using folder = await tempFolder({ "t.proto": proto(rules) });
  const loaded = parseConfig(
    `version: 1
schema: [{ proto: . }]
upstreams: { t: "grpc://h:1" }
routes: [{ match: "*" }]
${config}`,
    { file: path.join(folder.dir, "g.yaml"), env: {} },
  );
  if (loaded.config === undefined) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  const { schema, problems } = await loadSchema(loaded.config.schema, undefined);
  if (schema === undefined) throw new Error(problems.map(formatProblem).join("\n"));
  return planGateway(loaded.config, schema);
}

function problems({ problems: all }: Plan): string[] {
  return all.map((each) => formatProblem(each).replaceAll(/\/\S*\/(?=(?:t\.proto|g\.yaml):)/g, ""));
}

/** The routes of the table, less those that every method has. */
function routes({ entries }: Plan): string[] {
  return entries
    .filter(({ template }) => !template.text.startsWith("/t.T/"))
    .map(({ httpMethod, template, name }) => `${httpMethod} ${template.text} ${name}`)
    .sort();
}

const http = (text: string) => `option (google.api.http) = { ${text} };`;

describe("annotations that cannot be", () => {
  const error = (message: string) => [`t.proto:7:3: error: t.T/Get: ${message}`];
  const cases: readonly [string, readonly string[]][] = [
    ['get: "a"', error("a: a path must start with a slash (at character 1 of the path)")],
    ['get: "/a/"', error("/a/: expected a segment (at character 4 of the path)")],
    ['get: "/{x}"', error("/{x}: t.M has no field x")],
    ['get: "/{child.x}"', error("/{child.x}: t.M has no field x")],
    ['get: "/{s.x}"', error("/{s.x}: s is no message")],
    ['get: "/{child}"', error("/{child}: child is a message, which a path cannot hold")],
    ['get: "/{struct}"', error("/{struct}: struct is a message, which a path cannot hold")],
    ['get: "/{list}"', error("/{list}: list: a repeated field cannot be in the path")],
    ['get: "/{labels}"', error("/{labels}: labels: a repeated field cannot be in the path")],
    ['get: "/{children.s}"', error("/{children.s}: children.s: a repeated field cannot be in the path")],
    ['post: "/a" body: "nope"', error("/a: body: t.M has no field nope")],
    [
      'post: "/a" body: "child.s"',
      error("/a: body: t.M has no field child.s; it must be a field of the message itself"),
    ],
    ['post: "/{s}" body: "s"', error("/{s}: s is both in the path and the body")],
    ['get: "/a" response_body: "nope"', error("/a: response_body: t.M has no field nope")],
    ['body: "*"', error("an HTTP rule needs one HTTP method with a path")],
    ['custom { kind: "A B" path: "/a" }', error("/a: a custom rule needs a kind")],
    [
      'get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }',
      error("/b: an additional binding may not have additional bindings of its own"),
    ],
    [
      'get: "/other/{child.s}"',
      ["t.proto:8:3: error: t.T/Other and t.T/Get (t.proto:7) are both bound to GET /other/{s}"],
    ],
    [
      'get: "/a/{s=**}/b"',
      ["t.proto:7:3: warning: t.T/Get: /a/{s=**}/b: segments after ** are outside of the grammar"],
    ],
    [
      'get: "/a" body: "*"',
      [
        "t.proto:7:3: warning: t.T/Get: /a: a GET with a body, which many clients cannot send and proxies drop",
      ],
    ],
    ['get: "/{at}"', []],
    ['get: "/{left}/{child.right}"', []],
    ['custom { kind: "REPORT" path: "/a" }', []],
  ];
  test.each(cases)("%s", async (rule, expected) => {
    expect(problems(await plan(http(rule)))).toEqual(expected);
  });
});

describe("rules of the configuration", () => {
  test("count instead of the annotations", async () => {
    const planned = await plan(
      http('get: "/annotated"'),
      `http:
  rules:
    - selector: t.T.Get
      post: /configured/{s}
      body: child
      additional_bindings: [{ custom: { kind: report, path: "/report" }, response_body: child }]
`,
    );
    expect(problems(planned)).toEqual([]);
    expect(routes(planned)).toEqual([
      "GET /other/{s} t.T/Other",
      "POST /configured/{s} t.T/Get",
      "REPORT /report t.T/Get",
    ]);
    const [rule] = planned.entries.flatMap(({ target }) =>
      target.kind === "method" && target.rule.httpMethod === "POST" && target.rule.body !== "*"
        ? [target.rule]
        : [],
    );
    expect(rule?.body).toMatchObject({ name: "child" });
  });

  const cases: readonly [string, string, readonly string[]][] = [
    [
      "no such method",
      "- { selector: t.T.Gett, get: /a }",
      ["g.yaml:7:5: error: the schema has no method t.T/Gett; did you mean t.T/Get?"],
    ],
    [
      "a bad template",
      "- { selector: t.T/Get, get: /a/ }",
      ["g.yaml:7:5: error: t.T/Get: /a/: expected a segment (at character 4 of the path)"],
    ],
    [
      "no path",
      "- { selector: t.T.Get }",
      ["g.yaml:7:5: error: t.T/Get: an HTTP rule needs one HTTP method with a path"],
    ],
    [
      "two paths",
      "- { selector: t.T.Get, get: /a, put: /b }",
      ["g.yaml:7:5: error: t.T/Get: /a: an HTTP rule needs one HTTP method with a path"],
    ],
    [
      "a conflict with the schema",
      '- { selector: t.T.Get, get: "/other/{child.s}" }',
      ["t.proto:8:3: error: t.T/Other and t.T/Get (g.yaml:7) are both bound to GET /other/{s}"],
    ],
    [
      "the last for a method",
      "- { selector: t.T.Get, get: /a }\n  - { selector: t.T.Get, get: /b }",
      ["g.yaml:8:5: warning: t.T/Get has rules in line 7 already; these count"],
    ],
  ];
  test.each(cases)("%s", async (_name, rules, expected) => {
    expect(problems(await plan("", `http:\n  rules:\n  ${rules}\n`))).toEqual(expected);
  });

  test("may decode variables fully where others do not", async () => {
    const { table } = await plan(
      "",
      `http:
  fully_decode_reserved_expansion: true
  rules: [{ selector: t.T.Get, get: "/full/{s=**}" }, ]
transcoding: { preset: envoy }
`,
    );
    expect(table.match("GET", "/full/a%3A%2fb")).toMatchObject({ captures: ["a:%2Fb"] });
  });

  test("repeated fields in paths, where they may be", async () => {
    const planned = await plan(http('get: "/list/{list}"'), "transcoding: { repeatedInPath: csv }");
    expect(problems(planned)).toEqual([]);
    const messages = await plan(http('get: "/list/{children}"'), "transcoding: { repeatedInPath: csv }");
    expect(problems(messages)).toHaveLength(1);
  });
});
