import { describe, expect, test } from "vitest";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { dragoman } from "./support/dragoman.ts";
import { config, proto } from "./support/echo.ts";

const good = () => tempFolder({ "gateway.yaml": config("127.0.0.1:1"), "proto/t.proto": proto });

/** The schema with a rule in a message that requests hold. */
const withRule = (expression: string): string =>
  `${proto
    .replace("import ", 'import "buf/validate/validate.proto";\nimport ')
    .replace("message Text {", "message Text { Inner inner = 2;")}message Inner {
  string text = 1;
  option (buf.validate.message).cel = {id: "r", message: "m", expression: "${expression}"};
}
`;

describe("check", () => {
  test("a good configuration", async () => {
    await using folder = await good();
    const finished = await dragoman(["check"], { cwd: folder.dir });
    expect(finished).toEqual({ code: 0, stdout: "good: 5 methods, 6 routes\n", stderr: "" });
    expect(await dragoman(["check", "--json"], { cwd: folder.dir })).toEqual({
      code: 0,
      stdout: "[]\n",
      stderr: "",
    });
  });

  test("a file that is named, from elsewhere", async () => {
    await using folder = await good();
    const finished = await dragoman(["check", "--config", `${folder.dir}/gateway.yaml`]);
    expect(finished.code).toBe(0);
  });

  interface Case {
    readonly name: string;
    readonly break: (folder: TempFolder) => Promise<void>;
    readonly lines: readonly string[];
  }
  const cases: readonly Case[] = [
    {
      name: "no file",
      break: (folder) => folder.remove("gateway.yaml"),
      lines: ["gateway.yaml: error: the configuration file does not exist"],
    },
    {
      name: "every fault of the configuration at once",
      break: (folder) =>
        folder.write(
          "gateway.yaml",
          'version: 1\nschema: [{ proto: ./proto }]\nupstream: {}\nupstreams: { a: "grpc://h" }\nroutes: []\n',
        ),
      lines: [
        "gateway.yaml:3:1: error: upstream: no such key; did you mean upstreams?",
        "gateway.yaml:4:17: error: upstreams.a: expected grpc://host:port,host:port or xds:///name or http://host:port",
        expect.stringMatching(/^gateway.yaml:5:9: error: routes: /),
      ],
    },
    {
      name: "what is named and is not there",
      break: (folder) =>
        folder.write("gateway.yaml", config("h:1", '  - { match: "t.v1.*", to: nobody, limit: [none] }\n')),
      lines: [
        "gateway.yaml:8:28: error: no upstream is named nobody",
        "gateway.yaml:8:44: error: no limit is named none",
      ],
    },
    {
      name: "a fault of the schema",
      break: (folder) => folder.write("proto/t.proto", proto.replace("returns (Text)", "returns (Nothing)")),
      lines: [expect.stringMatching(/^proto\/t\.proto:5:26: error: .*Nothing/)],
    },
    {
      name: "a rule that does not fit its message",
      break: (folder) => folder.write("proto/t.proto", proto.replace("{text}", "{nope}")),
      lines: ["proto/t.proto:5:3: error: t.v1.Echo/Say: /v1/say/{nope}: t.v1.Text has no field nope"],
    },
    {
      name: "certificates that are not there",
      break: (folder) =>
        folder.write(
          "gateway.yaml",
          config("h:1").replace('"grpc://h:1"', "{ endpoints: [h:1], tls: { ca: ca.pem } }"),
        ),
      lines: [expect.stringMatching(/^error: upstreams\.echo\.tls\.ca: \S+\/ca\.pem cannot be read$/)],
    },
    {
      name: "keys that are not there",
      break: (folder) =>
        folder.write(
          "gateway.yaml",
          `${config("h:1").replace(/routes:[\s\S]*/, "")}routes: [{ match: "*", public: true }]
auth: { issuers: { main: { issuer: "https://id.test", jwks: keys.json, audiences: [shop] } } }
`,
        ),
      lines: [expect.stringMatching(/^error: auth\.issuers\.main\.jwks: \S+\/keys\.json cannot be read$/)],
    },
  ];
  test.each(cases)("$name", async ({ break: damage, lines }) => {
    await using folder = await good();
    await damage(folder);
    const { code, stdout, stderr } = await dragoman(["check"], { cwd: folder.dir });
    expect(stderr.trimEnd().split("\n")).toEqual(lines);
    expect([code, stdout]).toEqual([1, ""]);
    const json = await dragoman(["check", "--json"], { cwd: folder.dir });
    expect([json.code, json.stderr]).toEqual([1, ""]);
    const problems: { file?: string; line?: number; column?: number; severity: string; message: string }[] =
      JSON.parse(json.stdout);
    const formatted = problems.map(({ file, line, column, severity, message }) =>
      [[file, line, column].filter((part) => part !== undefined).join(":"), severity, message]
        .filter((part) => part !== "")
        .join(": "),
    );
    expect(formatted).toEqual(lines);
  });

  test("rules of requests that no message can be held to", async () => {
    await using folder = await good();
    await folder.write("proto/t.proto", withRule("this.nope == 1"));
    const { code, stderr } = await dragoman(["check"], { cwd: folder.dir });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^proto\/t\.proto:8:3: error: t\.v1\.Echo\/Break: the rules of t\.v1\.Inner cannot be used: field not found: nope\n$/,
    );
  });

  test("a warning is told, and is no failure", async () => {
    await using folder = await good();
    await folder.write("gateway.yaml", config("h:1").replace('"*"', "t.v1.Echo/Say"));
    const { code, stdout, stderr } = await dragoman(["check"], { cwd: folder.dir });
    expect([code, stdout]).toEqual([0, "good: 1 methods, 2 routes\n"]);
    expect(stderr).toContain(
      "proto/t.proto:6:3: warning: t.v1.Echo/Count: no route matches, so that it is not served\n",
    );
  });

  test("no upstream is asked for its schema", async () => {
    await using folder = await good();
    await folder.write("gateway.yaml", config("h:1").replace("{ proto: ./proto }", "{ reflection: echo }"));
    const { code, stderr } = await dragoman(["check"], { cwd: folder.dir });
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: reflection of echo: not asked/);
  });

  test("what references stand for comes from the environment, and is not shown", async () => {
    await using folder = await good();
    await folder.write("gateway.yaml", config("${env:ECHO_ADDRESS}"));
    const missing = await dragoman(["check"], { cwd: folder.dir });
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^gateway\.yaml:5:20: error: .*ECHO_ADDRESS/),
    });
    const env = { ECHO_ADDRESS: "s3cret" };
    const bad = await dragoman(["check"], { cwd: folder.dir, env });
    expect(bad.code).toBe(1);
    expect(bad.stderr).not.toContain("s3cret");
    expect((await dragoman(["check"], { cwd: folder.dir, env: { ECHO_ADDRESS: "h:1" } })).code).toBe(0);
  });
});

describe("routes", () => {
  test("as a table, and for scripts", async () => {
    await using folder = await good();
    const { code, stdout, stderr } = await dragoman(["routes"], { cwd: folder.dir });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["HTTP", "PATH", "METHOD", "KIND", "UPSTREAM", "WHO", "LIMITS"],
      ["POST", "/t.v1.Echo/Break", "t.v1.Echo/Break", "server_streaming", "echo", "public"],
      ["POST", "/t.v1.Echo/Collect", "t.v1.Echo/Collect", "client_streaming", "echo", "public"],
      ["POST", "/t.v1.Echo/Count", "t.v1.Echo/Count", "server_streaming", "echo", "public"],
      ["POST", "/t.v1.Echo/Meta", "t.v1.Echo/Meta", "unary", "echo", "public"],
      ["POST", "/t.v1.Echo/Say", "t.v1.Echo/Say", "unary", "echo", "public"],
      ["GET", "/v1/say/{text}", "t.v1.Echo/Say", "unary", "echo", "public"],
      [""],
    ]);
    const json = await dragoman(["routes", "--json"], { cwd: folder.dir });
    expect(JSON.parse(json.stdout)).toHaveLength(6);
    expect(JSON.parse(json.stdout)[5]).toEqual({
      httpMethod: "GET",
      path: "/v1/say/{text}",
      method: "t.v1.Echo/Say",
      kind: "unary",
      upstream: "echo",
      access: "public",
      limits: [],
      timeoutMs: 15_000,
    });
  });

  test("what is wrong goes to stderr, and what is left is still listed", async () => {
    await using folder = await good();
    await folder.write("proto/t.proto", proto.replace("{text}", "{nope}"));
    const { code, stdout, stderr } = await dragoman(["routes", "--json"], { cwd: folder.dir });
    expect([code, JSON.parse(stdout).length]).toEqual([1, 5]);
    expect(stderr).toMatch(/^proto\/t\.proto:5:3: error: /);
    await folder.write("gateway.yaml", "version: 2\n");
    expect(await dragoman(["routes"], { cwd: folder.dir })).toMatchObject({ code: 1, stdout: "" });
  });
});
