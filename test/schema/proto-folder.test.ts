import { execFileSync } from "node:child_process";
import { chmod, readdir, readFile, rm, symlink } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type CompileOutcome, formatProblem, loadSchema, packageRoot } from "../../src/schema/index.ts";
import { ProtoFolder } from "../../src/schema/proto-folder.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { service } from "./support/compiled.ts";

async function loaded(folder: TempFolder): Promise<CompileOutcome> {
  return loadSchema([{ kind: "proto", dir: folder.dir }], undefined);
}

const lines = (outcome: CompileOutcome, folder: TempFolder) =>
  outcome.problems.map((problem) =>
    formatProblem(problem).replaceAll(`${folder.dir}/`, "").replaceAll(folder.dir, "."),
  );

/** All of google/type. */
const types = [
  ...["calendar_period", "color", "date", "datetime", "dayofweek", "decimal", "expr", "fraction", "interval"],
  ...[
    "latlng",
    "localized_text",
    "money",
    "month",
    "phone_number",
    "postal_address",
    "quaternion",
    "timeofday",
  ],
];

describe("a folder of .proto files", () => {
  test("its methods, with their kind, place, comments and what they declare", async () => {
    await using folder = await tempFolder({
      "t/v1/echo.proto": `syntax = "proto3";
package t.v1;
import "dragoman/v1/policy.proto";
import "google/api/annotations.proto";
service Echo {
  option (dragoman.v1.service_policy) = { public: true };
  // Says it again.
  rpc Say(Text) returns (Text) { option (google.api.http) = { get: "/v1/say" }; }
  rpc Listen(Text) returns (stream Text) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Collect(stream Text) returns (Text) {
    option (dragoman.v1.policy) = { public: false scopes: "a" scopes: "b" timeout: { seconds: 2 nanos: 500000000 } };
  }
  rpc Chat(stream Text) returns (stream Text);
}
message Text { string text = 1; }
`,
    });
    const { schema, problems } = await loaded(folder);
    expect(problems).toEqual([]);
    const methods = [...(schema?.methods.values() ?? [])];
    expect(
      methods.map(({ name, path, kind, idempotent, declared }) => ({
        name,
        path,
        kind,
        idempotent,
        declared,
      })),
    ).toEqual([
      {
        name: "t.v1.Echo/Chat",
        path: "/t.v1.Echo/Chat",
        kind: "bidi_streaming",
        idempotent: false,
        declared: { public: true, scopes: [], timeoutMs: undefined },
      },
      {
        name: "t.v1.Echo/Collect",
        path: "/t.v1.Echo/Collect",
        kind: "client_streaming",
        idempotent: false,
        declared: { public: false, scopes: ["a", "b"], timeoutMs: 2500 },
      },
      {
        name: "t.v1.Echo/Listen",
        path: "/t.v1.Echo/Listen",
        kind: "server_streaming",
        idempotent: true,
        declared: { public: true, scopes: [], timeoutMs: undefined },
      },
      {
        name: "t.v1.Echo/Say",
        path: "/t.v1.Echo/Say",
        kind: "unary",
        idempotent: true,
        declared: { public: true, scopes: [], timeoutMs: undefined },
      },
    ]);
    const say = schema?.methods.get("t.v1.Echo/Say");
    expect(say?.location?.file.endsWith("t/v1/echo.proto")).toBe(true);
    expect(say?.location).toMatchObject({ line: 8, column: 3 });
    const comments = say?.descriptor.parent.file.proto.sourceCodeInfo?.location.map(
      ({ leadingComments }) => leadingComments,
    );
    expect(comments).toContain(" Says it again.\n");
  });

  test("the usual imports resolve, and are not served", async () => {
    const wellKnown = [
      "any",
      "api",
      "descriptor",
      "duration",
      "empty",
      "field_mask",
      "source_context",
      "struct",
    ];
    const imports = [
      ...[...wellKnown, "timestamp", "type", "wrappers"].map((name) => `google/protobuf/${name}.proto`),
      ...["annotations", "http", "httpbody", "field_behavior", "client", "resource"].map(
        (name) => `google/api/${name}.proto`,
      ),
      ...["status", "error_details", "code"].map((name) => `google/rpc/${name}.proto`),
      ...types.map((name) => `google/type/${name}.proto`),
      "google/longrunning/operations.proto",
      "dragoman/v1/policy.proto",
    ];
    await using folder = await tempFolder({
      "a.proto": `syntax = "proto3";\n${imports.map((name) => `import "${name}";`).join("\n")}\nmessage M {}\nservice S { rpc A(M) returns (M); }\n`,
    });
    const { schema, problems } = await loaded(folder);
    expect(problems).toEqual([]);
    expect([...(schema?.methods.keys() ?? [])]).toEqual(["S/A"]);
    expect(schema?.registry.getMessage("google.rpc.BadRequest")).toBeDefined();
  });

  test("who vendors an import has it taken from there", async () => {
    await using folder = await tempFolder({
      "google/type/money.proto": 'syntax = "proto3";\npackage google.type;\nmessage OwnMoney {}\n',
      "a.proto":
        'syntax = "proto3";\nimport "google/type/money.proto";\nmessage M { google.type.OwnMoney m = 1; }\nservice S { rpc A(M) returns (M); }\n',
    });
    const outcome = await loaded(folder);
    expect(lines(outcome, folder)).toEqual([]);
    expect(outcome.schema?.registry.getMessage("google.type.OwnMoney")).toBeDefined();
  });

  test("every problem, with its place", async () => {
    await using folder = await tempFolder({
      "a.proto": 'syntax = "proto3";\nmessage M {\n  Missing a = 1;\n  int32 b = 1;\n}\n',
      "b/b.proto": 'syntax = "proto3";\nimport "nowhere.proto";\n',
    });
    const found = lines(await loaded(folder), folder);
    expect(found).toContain("a.proto:3:3: error: cannot find `Missing` in this scope");
    expect(found.some((line) => line.startsWith("a.proto:4:13: error:"))).toBe(true);
    expect(found.some((line) => line.startsWith("b/b.proto:2:1: error:"))).toBe(true);
  });

  test("an import that is not there is named, with what comes closest", async () => {
    await using folder = await tempFolder({
      "a.proto": 'syntax = "proto3";\nimport "shop/item.proto";\nimport "nowhere.proto";\n',
      "sub/shop/item.proto": 'syntax = "proto3";\nimport "a.proto";\nmessage Item {}\n',
    });
    expect(lines(await loaded(folder), folder)).toEqual([
      "a.proto:2:1: error: imported file shop/item.proto does not exist; there is sub/shop/item.proto, but imports start at .",
      "a.proto:3:1: error: imported file nowhere.proto does not exist",
    ]);
  });

  test("copies of the usual imports below another root do not get in the way", async () => {
    const copy = await readFile(path.join(packageRoot, "src/schema/imports/google/api/http.proto"), "utf8");
    await using folder = await tempFolder({
      "a.proto": service("a.A", "Say", ["google/api/annotations.proto", "google/protobuf/any.proto"]),
      "third_party/google/api/http.proto": copy,
      "third_party/google/protobuf/any.proto":
        'syntax = "proto3";\npackage google.protobuf;\nmessage Any {}\n',
    });
    const outcome = await loaded(folder);
    expect(lines(outcome, folder)).toEqual([]);
    expect([...(outcome.schema?.methods.keys() ?? [])]).toEqual(["a.A/Say"]);
  });

  test("such a copy is kept when somebody imports it by that name", async () => {
    await using folder = await tempFolder({
      "a.proto": service("a.A", "Say", ["own/google/type/money.proto"]),
      "own/google/type/money.proto": 'syntax = "proto3";\npackage own;\nmessage Money {}\n',
    });
    const outcome = await loaded(folder);
    expect(lines(outcome, folder)).toEqual([]);
    expect(outcome.schema?.registry.getMessage("own.Money")).toBeDefined();
  });

  test("what else lies there is left alone: settings of buf, hidden folders, packages, other files", async () => {
    await using folder = await tempFolder({
      "a.proto": service("a.A"),
      "buf.yaml": "version: v9\n",
      "buf.work.yaml": "nonsense",
      ".git/b.proto": "nonsense",
      "node_modules/x/c.proto": "nonsense",
      "README.md": "nonsense",
    });
    const outcome = await loaded(folder);
    expect(lines(outcome, folder)).toEqual([]);
    expect([...(outcome.schema?.methods.keys() ?? [])]).toEqual(["a.A/Say"]);
  });

  test("links are followed, also in circles", async () => {
    await using other = await tempFolder({ "b.proto": service("b.B") });
    await using folder = await tempFolder({ "a.proto": service("a.A") });
    await symlink(other.dir, path.join(folder.dir, "linked"));
    await symlink(folder.dir, path.join(folder.dir, "round"));
    await symlink(path.join(other.dir, "b.proto"), path.join(folder.dir, "gone.proto"));
    await symlink("nowhere", path.join(folder.dir, "dangling.proto"));
    await rm(path.join(folder.dir, "gone.proto"));
    const outcome = await loaded(folder);
    expect(lines(outcome, folder)).toEqual([]);
    expect([...(outcome.schema?.methods.keys() ?? [])]).toEqual(["a.A/Say", "b.B/Say"]);
  });

  test("what is no file is passed over, whatever its name", async () => {
    await using folder = await tempFolder({ "a.proto": service("a.A"), "dir.proto/b.proto": service("b.B") });
    execFileSync("mkfifo", [path.join(folder.dir, "pipe.proto")]);
    const outcome = await loaded(folder);
    expect(lines(outcome, folder)).toEqual([]);
    expect([...(outcome.schema?.methods.keys() ?? [])]).toEqual(["a.A/Say", "b.B/Say"]);
  });

  test.skipIf(process.getuid?.() === 0)("a file that may not be read is named", async () => {
    await using folder = await tempFolder({ "a.proto": service("a.A") });
    await chmod(path.join(folder.dir, "a.proto"), 0);
    expect(lines(await loaded(folder), folder)).toEqual(["a.proto: error: the file cannot be read (EACCES)"]);
  });

  test("the private copy is gone afterwards", async () => {
    await using folder = await tempFolder({ "a.proto": service("a.A"), "b.proto": "broken" });
    const copies = async () =>
      (await readdir(os.tmpdir())).filter((name) => name.startsWith("dragoman-schema-"));
    const before = new Set(await copies());
    const source = new ProtoFolder(folder.dir);
    const loading = source.load();
    await until("it is there", async () => (await copies()).some((name) => !before.has(name)));
    const made = (await copies()).filter((name) => !before.has(name));
    await source.close();
    expect((await copies()).filter((name) => made.includes(name))).toEqual([]);
    await loading;
  });

  test("an empty folder, a missing one and one that is none say so", async () => {
    await using folder = await tempFolder({ "sub/a.txt": "" });
    const at = (name: string) => loadSchema([{ kind: "proto", dir: path.join(folder.dir, name) }], undefined);
    expect(lines(await at(""), folder)).toEqual([".: error: the folder has no .proto file"]);
    expect(lines(await at("nope"), folder)).toEqual(["nope: error: the folder does not exist"]);
    expect(lines(await at("sub/a.txt"), folder)).toEqual(["sub/a.txt: error: this is not a folder"]);
  });
});
