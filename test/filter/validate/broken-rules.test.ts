import { expect, test } from "vitest";
import { brokenRules } from "#filter/validate";
import { loadSchema } from "#schema";
import { tempFolder } from "../../support/temp-folder.ts";

const rules: readonly (readonly [rule: string, broken: boolean])[] = [
  ["this.text == 'a'", false],
  ["1 / size(this.text) == 0", false],
  ["this.list[0] == 'a'", false],
  ["this.text == 1", false],
  ["this.nope == 1", true],
  ["this.sub.nope == 1", true],
  ["nofunc(this.text)", true],
  ["this.text.matches('(')", true],
  ["this.text + 1 == 2", true],
  ["this.(", true],
];

test("rules that no message can be held to are told apart from those that an empty one breaks", async () => {
  const types = rules.map(
    ([rule], index) => `message R${index} {
      string text = 1; S sub = 2; repeated string list = 3;
      option (buf.validate.message).cel = {id: "r", message: "m", expression: "${rule}"};
    }`,
  );
  const methods = rules.map((_rule, index) => `rpc M${index}(R${index}) returns (S);`);
  await using folder = await tempFolder({
    "t.proto": `syntax = "proto3"; package t; import "buf/validate/validate.proto";
      service T { ${methods.join(" ")} rpc GetMapped(Mapped) returns (S); rpc GetOuter(Outer) returns (S); }
      message S { string text = 1; } ${types.join("\n")}
      message Mapped {
        map<string, string> labels = 1;
        option (buf.validate.message).cel = {id: "r", message: "m", expression: "this.labels['a'] == 'b'"};
      }
      message Outer { repeated R4 inner = 1; }`,
  });
  const { schema, problems } = await loadSchema([{ kind: "proto", dir: folder.dir }], undefined);
  if (schema === undefined) throw new Error(JSON.stringify(problems));
  const broken = (method: string): readonly string[] => {
    const input = schema.methods.get(`t.T/${method}`)?.descriptor.input;
    if (input === undefined) throw new Error(`there is no ${method}`);
    return brokenRules(input, schema.registry).map(({ type }) => type);
  };
  for (const [index, [rule, is]] of rules.entries())
    expect([rule, broken(`M${index}`)]).toEqual([rule, is ? [`t.R${index}`] : []]);
  expect(broken("GetMapped"), "a map that is empty now").toEqual([]);
  expect(broken("GetOuter"), "deep within").toEqual(["t.R4"]);
});
