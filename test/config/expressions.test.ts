import { expect, test } from "vitest";
import { expressionProblem, parseConfig } from "#config";

function problemAt(line: string, offset: number): readonly [number | undefined, number | undefined, string] {
  const text = `version: 1
schema: [{ proto: ./proto }]
upstreams: { a: "grpc://h:1" }
auth: { issuers: { main: { issuer: i, jwks: k.json, audiences: [a] } } }
routes:
  - match: "*"
    auth:
      ${line}
`;
  const { config, problems } = parseConfig(text, { file: "/etc/g.yaml", env: { TENANT: "t1" } });
  const allow = config?.routes[0]?.auth?.allow;
  if (allow === undefined) throw new Error(JSON.stringify(problems));
  const problem = expressionProblem(allow, { message: "wrong", offset });
  return [problem.line, problem.column, problem.message];
}

test.each([
  ["as it is", "allow: caller.sub == x", 14, 8, 28, "wrong"],
  ["in quotes", "allow: \"caller.sub == 'x'\"", 14, 8, 29, "wrong"],
  ["with escapes", String.raw`allow: "caller.sub == \"x\""`, 14, 8, 14, "wrong (at 1:15 of the expression)"],
  [
    "with references",
    "allow: caller.tenant == '${env:TENANT}'",
    17,
    8,
    14,
    "wrong (at 1:18 of the expression)",
  ],
  [
    "over several lines",
    "allow: |\n        caller.sub ==\n        x",
    14,
    8,
    14,
    "wrong (at 2:1 of the expression)",
  ],
])("a problem of a rule is told where it stands: %s", (_name, line, offset, row, column, message) => {
  expect(problemAt(line, offset)).toEqual([row, column, message]);
});
