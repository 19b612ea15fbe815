import { describe, expect, test } from "vitest";
import { compileSchema } from "../../src/schema/compile.ts";
import { indexFile } from "../../src/schema/index-file.ts";
import type { SourceResult } from "../../src/schema/source.ts";
import { compiled, service } from "./support/compiled.ts";

const named = async (label: string, files: Record<string, string>): Promise<SourceResult> => ({
  ...(await compiled(files)),
  label,
  display: (name) => `${label}/${name}`,
});

const messages = (sources: readonly SourceResult[]) =>
  compileSchema(sources).problems.map(({ message }) => message);
const methods = (sources: readonly SourceResult[]) => [
  ...(compileSchema(sources).schema?.methods.keys() ?? []),
];

describe("several sources", () => {
  test("are served together", async () => {
    const one = await named("one", { "a.proto": service("a.A") });
    const two = await named("two", { "b.proto": service("b.B") });
    expect(methods([one, two])).toEqual(["a.A/Say", "b.B/Say"]);
  });

  test("may have the same file, with or without comments and places", async () => {
    const one = await named("one", {
      "a.proto": service("a.A"),
      "b.proto": service("b.B", "Say", ["a.proto"]),
    });
    const bare = { ...one, label: "two", files: one.files.map(({ body }) => indexFile(Buffer.concat(body))) };
    expect(messages([one, bare])).toEqual([]);
    expect(methods([one, bare])).toEqual(["a.A/Say", "b.B/Say"]);
  });

  test("may have the same file with its fields in another order", async () => {
    const one = await named("one", { "a.proto": service("a.A") });
    const two = await named("two", { "a.proto": service("a.A") });
    // The name, which comes first, once more at the end: the last one counts, and it is the same.
    const [file] = two.files;
    const name = Buffer.from("a.proto");
    const longer = indexFile(Buffer.concat([file?.bytes ?? name, Buffer.from([0x0a, name.length]), name]));
    expect(messages([one, { ...two, files: [longer] }])).toEqual([]);
  });

  test("may not have different files of one name", async () => {
    const one = await named("one", { "a.proto": service("a.A") });
    const two = await named("two", { "a.proto": service("a.A", "Shout") });
    const outcome = compileSchema([one, two]);
    expect(outcome.schema).toBeUndefined();
    expect(outcome.problems).toEqual([
      {
        severity: "error",
        message: "one and two have different files with the name a.proto",
        file: "two/a.proto",
      },
    ]);
  });

  test("may not define a name twice", async () => {
    const one = await named("one", { "a.proto": service("a.A") });
    const two = await named("two", { "b.proto": service("a.A", "Shout") });
    expect(messages([one, two])).toEqual(["a.Text is defined in a.proto (of one) and in b.proto (of two)"]);
  });

  test("may vendor different versions of the usual imports", async () => {
    const vendored = 'syntax = "proto3";\npackage google.type;\nmessage Money { string own = 1; }\n';
    const one = await named("one", { "a.proto": service("a.A", "Say", ["google/type/money.proto"]) });
    const two = await named("two", { "b.proto": service("b.B"), "google/type/money.proto": vendored });
    for (const order of [
      [one, two],
      [two, one],
    ]) {
      const { schema, problems } = compileSchema(order);
      expect(problems).toEqual([]);
      expect(schema?.registry.getMessage("google.type.Money")?.fields.map(({ name }) => name)).toEqual([
        "own",
      ]);
    }
  });

  test("serve a file that one has for its own sake and the other as an import", async () => {
    const both = await named("one", {
      "a.proto": service("a.A"),
      "b.proto": service("b.B", "Say", ["a.proto"]),
    });
    const importing = { ...both, targets: new Set(["b.proto"]) };
    const owning = { ...both, label: "two", files: both.files.filter(({ name }) => name === "a.proto") };
    expect(methods([importing])).toEqual(["b.B/Say"]);
    expect(methods([importing, owning])).toEqual(["a.A/Say", "b.B/Say"]);
  });
});

describe("descriptors that do not fit together", () => {
  test("a type that nobody defines, and one that is not imported", async () => {
    const source = await named("one", {
      "a.proto": service("a.A"),
      "b.proto": service("b.B", "Say", ["a.proto"]),
    });
    const swapped = (from: string, to: string) => ({
      ...source,
      files: source.files.map(({ bytes }) =>
        indexFile(Buffer.from(Buffer.from(bytes).toString("latin1").replaceAll(from, to), "latin1")),
      ),
    });
    expect(messages([swapped(".b.Text", ".b.Best")])).toEqual([
      "b.B.Say refers to b.Best, which no file defines",
    ]);
    expect(messages([swapped(".a.Text", ".b.Text")])).toEqual([
      "a.A.Say refers to b.Text, which is in b.proto, which is not imported",
    ]);
  });

  test("files that import each other", async () => {
    const source = await named("one", {
      "a.proto": service("a.A"),
      "b.proto": service("b.B", "Say", ["a.proto"]),
    });
    const [a, b] = source.files;
    if (a === undefined || b === undefined) throw new Error("two files were compiled");
    const name = Buffer.from("b.proto");
    const circular = indexFile(Buffer.concat([a.bytes, Buffer.from([0x1a, name.length]), name]));
    expect(messages([{ ...source, files: [circular, b] }])).toEqual([
      "b.proto imports a.proto, which imports it in turn",
    ]);
  });
});

test("the same content has the same fingerprint, and another content another", async () => {
  const print = async (method: string) =>
    compileSchema([await named("one", { "a.proto": service("a.A", method) })]).schema?.fingerprint;
  expect(await print("Say")).toBe(await print("Say"));
  expect(await print("Say")).not.toBe(await print("Shout"));
});
