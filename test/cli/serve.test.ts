import { readFile } from "node:fs/promises";
import net, { type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RawServer } from "../support/raw-server.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { dragoman, type Running, startDragoman } from "./support/dragoman.ts";
import { config, proto, startEcho } from "./support/echo.ts";

let server: RawServer;
beforeAll(async () => {
  server = await startEcho();
});
afterAll(() => server[Symbol.asyncDispose]());

const files = (more = "") => ({ "gateway.yaml": config(server.address, more), "proto/t.proto": proto });

/** What a running gateway has logged about its configuration. */
function reloads(running: Running): { message: string; problems?: string[] }[] {
  return running.program
    .stderr()
    .split("\n")
    .filter((line) => line.includes('"the configuration was '))
    .map((line) => JSON.parse(line));
}

describe("call, through a gateway that is served", () => {
  let folder: TempFolder;
  let running: Running;
  beforeAll(async () => {
    folder = await tempFolder(files());
    running = await startDragoman(["serve"], folder.dir);
    await until("the endpoint is ready", async () =>
      (await (await fetch(`${running.admin}/api/upstreams`)).text()).includes('"state": "ready"'),
    );
  });
  afterAll(async () => {
    await running[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const call = (args: readonly string[], stdin?: string) =>
    dragoman(["call", ...args, "--url", running.url], {
      cwd: folder.dir,
      ...(stdin === undefined ? {} : { stdin }),
    });

  test.each<[string, readonly string[], string | undefined, number, string, string]>([
    ["unary", ["t.v1.Echo/Say", "-d", '{"text":"hi"}'], undefined, 0, '{"text":"hi"}\n', ""],
    ["by its path", ["/t.v1.Echo/Say", "-d", '{"text":"hi"}'], undefined, 0, '{"text":"hi"}\n', ""],
    ["a stream", ["t.v1.Echo/Count"], undefined, 0, '{"text":"a"}\n{"text":"b"}\n', ""],
    [
      "a stream that breaks",
      ["t.v1.Echo/Break"],
      undefined,
      1,
      '{"text":"a"}\n{"error":{"code":15,"message":"lost","details":[]}}\n',
      "",
    ],
    ["several requests", ["t.v1.Echo/Collect", "-d", "{}{} {}"], undefined, 0, '{"text":"3"}\n', ""],
    ["requests from stdin", ["t.v1.Echo/Collect", "-d", "@-"], "{}\n{}\n", 0, '{"text":"2"}\n', ""],
    [
      "a header with several values",
      ["t.v1.Echo/Meta", "-H", "x-many: a", "-H", "X-Many:b"],
      undefined,
      0,
      '{"text":"a, b"}\n',
      "",
    ],
    [
      "an upstream's error",
      ["t.v1.Echo/Say"],
      undefined,
      1,
      "",
      '{"code":5,"message":"no text","details":[]}\n',
    ],
    [
      "an unknown method",
      ["t.v1.Echo/Nope"],
      undefined,
      1,
      "",
      expect.stringMatching(/^\{"code":\d+,"message":"[^"]+","details":\[\]\}\n$/),
    ],
  ])("%s", async (_name, args, stdin, code, stdout, stderr) => {
    expect(await call(args, stdin)).toEqual({ code, stdout, stderr });
  });

  test("a certificate that is not trusted is an error, unless told otherwise", async () => {
    await using elsewhere = await tempFolder();
    const args = ["call", "t.v1.Echo/Say", "-d", '{"text":"x"}', "--url", running.url];
    const refused = await dragoman(args, { cwd: elsewhere.dir });
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^https:\/\/localhost:\d+: unable to verify the first certificate\b.*\n$/);
    const ca = `${folder.dir}/.dragoman/tls/ca.pem`;
    for (const more of [["--insecure"], ["--cacert", ca]])
      expect(await dragoman([...args, ...more], { cwd: elsewhere.dir })).toMatchObject({ code: 0 });
  });

  test("nobody at the other end", async () => {
    const { code, stderr } = await dragoman(["call", "t.v1.Echo/Say", "--url", "http://127.0.0.1:1"]);
    expect(stderr).toBe("http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1\n");
    expect(code).toBe(1);
  });
});

describe("serve", () => {
  test("edits are applied live; a bad one is refused whole, and said to be; SIGTERM ends with 0", async () => {
    await using folder = await tempFolder(files());
    await using running = await startDragoman(["serve", "--config", "gateway.yaml"], folder.dir);
    const timeouts = async (): Promise<unknown> => {
      const views = (await (await fetch(`${running.admin}/api/routes`)).json()) as { timeoutMs: number }[];
      return views.find((view) => "timeoutMs" in view)?.timeoutMs;
    };
    const reload = async () => {
      const response = await fetch(`${running.admin}/api/reload`, { method: "POST" });
      return [response.status, await response.json()];
    };
    expect(await timeouts()).toBe(15_000);

    await folder.write("gateway.yaml", config(server.address, "defaults: { timeout: 3s }\n"));
    await until("the edit is applied", () => reloads(running).length > 0);
    expect(reloads(running)[0]?.message).toBe("the configuration was applied");
    expect(await timeouts()).toBe(3000);

    await folder.write("gateway.yaml", config(server.address, "defaults: { timeout: soon }\n"));
    const refusal = { message: expect.stringContaining("defaults.timeout: expected a duration") };
    expect(await reload()).toEqual([422, { problems: [expect.objectContaining(refusal)] }]);
    expect(reloads(running).at(-1)).toMatchObject({
      message: "the configuration was refused",
      problems: [expect.stringMatching(/gateway\.yaml:8:22: error: defaults\.timeout: /)],
    });
    expect(await timeouts()).toBe(3000);

    const tls = `{ endpoints: ["${server.address}"], tls: { ca: gone.pem } }`;
    await folder.write("gateway.yaml", config("x").replace('"grpc://x"', tls));
    expect(await reload()).toMatchObject([422, {}]);
    expect(await timeouts()).toBe(3000);

    await folder.write("gateway.yaml", config(server.address, "defaults: { timeout: 4s }\n"));
    expect(await reload()).toEqual([200, { problems: [] }]);
    expect(await timeouts()).toBe(4000);

    running.program.signal("SIGTERM");
    expect(await running.program.exited).toBe(0);
  });

  test("POST /api/drain ends it too", async () => {
    await using folder = await tempFolder(files());
    await using running = await startDragoman(["serve"], folder.dir);
    const response = await fetch(`${running.admin}/api/drain`, { method: "POST" });
    expect([response.status, await response.json()]).toEqual([200, { status: "draining" }]);
    expect(await running.program.exited).toBe(0);
  });

  test("what is wrong at the start is told, with its place, and ends with 1", async () => {
    await using folder = await tempFolder(files());
    const serve = () => dragoman(["serve"], { cwd: folder.dir });
    await folder.write("gateway.yaml", config(server.address).replace("admin:", "admn:"));
    expect(await serve()).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/gateway\.yaml:3:1: error: admn: no such key; did you mean admin\?\n$/),
    });
    await folder.write("gateway.yaml", config(server.address));
    await folder.write("proto/t.proto", proto.replace("{text}", "{nope}"));
    expect(await serve()).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/proto\/t\.proto:5:3: error: .* has no field nope\n$/),
    });
    await folder.write("proto/t.proto", proto);
    const tls = "{ endpoints: [h:1], tls: { ca: gone.pem } }";
    await folder.write("gateway.yaml", config("x").replace('"grpc://x"', tls));
    const missing = await serve();
    expect(missing.stderr).toMatch(/^the configuration names files .*\nerror: upstreams\.echo\.tls\.ca: /);
    expect(missing.code).toBe(1);
  });

  test("a port that is taken is named", async () => {
    const holder = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => holder.once("listening", resolve));
    const { port } = holder.address() as AddressInfo;
    await using folder = await tempFolder(files());
    for (const what of ["https", "admin"]) {
      const taken =
        what === "https"
          ? config(server.address).replace("host: 127.0.0.1, port: 0", `host: 127.0.0.1, port: ${port}`)
          : config(server.address).replace("admin: { port: 0 }", `admin: { port: ${port} }`);
      await folder.write("gateway.yaml", taken);
      const { code, stderr } = await dragoman(["serve"], { cwd: folder.dir });
      expect(stderr).toContain(`port ${port} on 127.0.0.1, for ${what}, is taken by another program\n`);
      expect(code).toBe(1);
    }
    await new Promise((resolve) => holder.close(resolve));
  });
});

describe("up", () => {
  const ports = ["--port", "0", "--http-port", "0", "--admin-port", "0"];

  test("serves a target without a configuration, and saves one that serves the same", async () => {
    await using folder = await tempFolder({ "proto/t.proto": proto, "saved/readme": "" });
    const args = [server.address, "--proto", "proto", "--save", "saved/gateway.yaml", ...ports];
    await using running = await startDragoman(["up", ...args], folder.dir);
    const ca = ["--url", running.url];
    await until("it answers", async () => {
      const { stdout } = await dragoman(["call", "t.v1.Echo/Say", "-d", '{"text":"up"}', ...ca], {
        cwd: folder.dir,
      });
      return stdout === '{"text":"up"}\n';
    });
    expect(await readFile(`${folder.dir}/saved/gateway.yaml`, "utf8")).toContain("proto: ../proto");
    const checked = await dragoman(["check", "--config", "saved/gateway.yaml"], { cwd: folder.dir });
    expect(checked).toEqual({ code: 0, stdout: "good: 5 methods, 6 routes\n", stderr: "" });
    running.program.signal("SIGINT");
    expect(await running.program.exited).toBe(0);
  });

  test("a file that cannot be written is told before anything is served", async () => {
    await using folder = await tempFolder({ "proto/t.proto": proto });
    const args = ["up", server.address, "--proto", "proto", "--save", "no/such/gateway.yaml", ...ports];
    const finished = await dragoman(args, { cwd: folder.dir });
    expect(finished).toEqual({ code: 1, stdout: "", stderr: "no/such/gateway.yaml cannot be written\n" });
  });
});
