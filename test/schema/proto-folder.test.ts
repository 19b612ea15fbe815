import { describe, expect, test } from "vitest";
import { type CompileOutcome, formatProblem, loadSchema, SchemaWatcher } from "../../src/schema/index.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

const echo = (method = "Say") => `syntax = "proto3";
package t.v1;
import "google/api/annotations.proto";
service Echo {
  // Says it again.
  rpc ${method}(Text) returns (Text) { option (google.api.http) = { get: "/v1/say" }; }
}
message Text { string text = 1; }
`;

async function loaded(folder: TempFolder): Promise<CompileOutcome> {
  return loadSchema([{ kind: "proto", dir: folder.dir }], undefined);
}

const lines = (outcome: CompileOutcome, folder: TempFolder) =>
  outcome.problems.map((problem) =>
    formatProblem(problem).replaceAll(`${folder.dir}/`, "").replaceAll(folder.dir, "."),
  );

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
    const imports = [
      ...[
        "any",
        "api",
        "descriptor",
        "duration",
        "empty",
        "field_mask",
        "source_context",
        "struct",
        "timestamp",
        "type",
        "wrappers",
      ].map((n) => `google/protobuf/${n}`),
      ...["annotations", "http", "httpbody", "field_behavior", "client", "resource"].map(
        (n) => `google/api/${n}`,
      ),
      ...["status", "error_details", "code"].map((n) => `google/rpc/${n}`),
      ...["date", "money", "latlng", "dayofweek", "timeofday", "postal_address"].map(
        (n) => `google/type/${n}`,
      ),
      "google/longrunning/operations",
      "dragoman/v1/policy",
    ];
    await using folder = await tempFolder({
      "a.proto": `syntax = "proto3";\n${imports.map((name) => `import "${name}.proto";`).join("\n")}\nmessage M {}\nservice S { rpc A(M) returns (M); }\n`,
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

  test("an empty and a missing folder say so", async () => {
    await using folder = await tempFolder();
    expect(lines(await loaded(folder), folder)).toEqual([".: error: the folder has no .proto file"]);
    const missing = await loadSchema([{ kind: "proto", dir: `${folder.dir}/nope` }], undefined);
    expect(missing.problems[0]?.message).toContain("does not exist");
  });
});

describe("a watched folder", () => {
  async function watched(folder: TempFolder) {
    const outcomes: CompileOutcome[] = [];
    const watcher = new SchemaWatcher({
      sources: [{ kind: "proto", dir: folder.dir }],
      reflect: undefined,
      onChange: (outcome) => outcomes.push(outcome),
    });
    outcomes.push(await watcher.start());
    const names = () => [...(outcomes.at(-1)?.schema?.methods.keys() ?? [])];
    return { outcomes, names, [Symbol.asyncDispose]: () => watcher.close() };
  }

  test("a file dropped, edited, broken, mended and deleted", async () => {
    await using folder = await tempFolder({ "t/v1/echo.proto": echo() });
    await using watch = await watched(folder);
    expect(watch.names()).toEqual(["t.v1.Echo/Say"]);
    await folder.write(
      "new/deep/other.proto",
      'syntax = "proto3";\npackage o;\nmessage M {}\nservice O { rpc A(M) returns (M); }\n',
    );
    await until("the dropped file is served", () => watch.names().includes("o.O/A"));
    await folder.write("t/v1/echo.proto", echo("Shout"));
    await until("the edit is seen", () => watch.names().includes("t.v1.Echo/Shout"));
    await folder.write("t/v1/echo.proto", `${echo("Shout")}\nmessage {`);
    await until("the fault is seen", () => watch.outcomes.at(-1)?.schema === undefined);
    expect(watch.outcomes.at(-1)?.problems[0]).toMatchObject({ severity: "error", line: 10 });
    await folder.write("t/v1/echo.proto", echo("Whisper"));
    await until("it is mended", () => watch.names().includes("t.v1.Echo/Whisper"));
    await folder.remove("new");
    await until(
      "the deleted file is gone",
      () => !watch.names().includes("o.O/A") && watch.names().length === 1,
    );
  });

  test("a touched file whose content is the same changes nothing", async () => {
    await using folder = await tempFolder({ "a.proto": echo() });
    await using watch = await watched(folder);
    await folder.write("a.proto", echo());
    await folder.write("b.proto", 'syntax = "proto3";\nmessage B {}\n');
    await until("the other file is seen", () => watch.outcomes.length > 1);
    expect(watch.outcomes).toHaveLength(2);
  });
});
