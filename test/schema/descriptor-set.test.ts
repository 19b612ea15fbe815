import path from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { runBuf } from "../../src/schema/buf.ts";
import { loadSchema } from "../../src/schema/index.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { compiled, service, setOf } from "./support/compiled.ts";

const load = (folder: TempFolder, name: string) =>
  loadSchema([{ kind: "descriptors", file: path.join(folder.dir, name) }], undefined);

const { files } = await compiled({
  "a/a.proto": service("a.A", "Say", [
    "google/longrunning/operations.proto",
    "google/type/money.proto",
    "b.proto",
  ]),
  "b.proto": service("b.B"),
});
const whole = setOf(files.map(({ bytes }) => bytes));

test.each([
  ["all files, comments and places included", whole],
  ["without comments and places", setOf(files.map(({ body }) => Buffer.concat(body)))],
  ["packed by gzip", gzipSync(whole)],
  [
    "without the usual imports",
    setOf(files.filter(({ name }) => !name.startsWith("google/")).map(({ bytes }) => bytes)),
  ],
])("a descriptor set with %s", async (_, bytes) => {
  await using folder = await tempFolder();
  await folder.write("set.binpb", bytes);
  const { schema, problems } = await load(folder, "set.binpb");
  expect(problems).toEqual([]);
  expect([...(schema?.methods.keys() ?? [])]).toEqual(["a.A/Say", "b.B/Say"]);
  expect(schema?.methods.get("a.A/Say")?.descriptor.input.typeName).toBe("a.Text");
});

test("an image of buf serves its targets alone", async () => {
  await using folder = await tempFolder({
    "buf.yaml": "version: v2\nmodules:\n  - path: own\n  - path: other\n",
    "own/a.proto": service("a.A", "Say", ["b.proto"]),
    "other/b.proto": service("b.B"),
  });
  const { ok } = await runBuf(["build", "own", "-o", "image.binpb"], folder.dir);
  expect(ok).toBe(true);
  const { schema, problems } = await load(folder, "image.binpb");
  expect(problems).toEqual([]);
  expect([...(schema?.methods.keys() ?? [])]).toEqual(["a.A/Say"]);
  expect(schema?.registry.getService("b.B")?.methods).toHaveLength(1);
});

test("a missing import is named with its importer", async () => {
  await using folder = await tempFolder();
  const own = files.filter(({ name }) => name !== "b.proto").map(({ bytes }) => bytes);
  await folder.write("set.binpb", setOf(own));
  const { schema, problems } = await load(folder, "set.binpb");
  expect(schema).toBeUndefined();
  expect(problems.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^a\/a\.proto imports b\.proto, which .*set\.binpb does not have$/),
  ]);
});

test.each([
  ["text", "syntax = 'proto3';", "the file is no descriptor set"],
  ["a set that is cut short", whole.subarray(0, whole.length - 7), "the file is no descriptor set"],
  ["a gzip that is cut short", gzipSync(whole).subarray(0, 100), "the file is no descriptor set"],
  ["nothing", "", "the descriptor set has no file"],
])("%s is refused", async (_, content, message) => {
  await using folder = await tempFolder();
  await folder.write("set.binpb", content);
  const { schema, problems } = await load(folder, "set.binpb");
  expect(schema).toBeUndefined();
  expect(problems).toMatchObject([{ severity: "error", message: expect.stringContaining(message) }]);
  expect(problems[0]?.file?.endsWith("set.binpb")).toBe(true);
});

test("a file that is missing and one that cannot be read", async () => {
  await using folder = await tempFolder();
  expect((await load(folder, "nope")).problems[0]?.message).toBe("the descriptor set does not exist");
  expect((await load(folder, ".")).problems[0]?.message).toBe("the descriptor set cannot be read (EISDIR)");
});
