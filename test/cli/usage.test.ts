import { readFileSync } from "node:fs";
import path from "node:path";
import { Readable, Writable } from "node:stream";
import { expect, test } from "vitest";
import { runCommand } from "../../src/cli/index.ts";
import { root } from "../support/program.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { dragoman } from "./support/dragoman.ts";

const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const commands = ["up", "serve", "check", "routes", "call", "hash-password"];

test("help lists every command, and goes where it was asked for", async () => {
  for (const [args, code] of [
    [["--help"], 0],
    [["-h"], 0],
    [["help"], 0],
    [[], 2],
  ] as const) {
    const { code: exit, stdout, stderr } = await dragoman(args);
    expect([args, exit]).toEqual([args, code]);
    const [text, other] = code === 0 ? [stdout, stderr] : [stderr, stdout];
    for (const name of commands) expect(text).toMatch(new RegExp(`^  ${name} `, "m"));
    expect(other).toBe("");
  }
});

test.each(commands)("%s --help tells its usage, whatever else is said", async (name) => {
  const { code, stdout, stderr } = await dragoman([name, "--nonsense", "--help"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(new RegExp(`^dragoman ${name}\\b`));
});

test("--version", async () => {
  for (const option of ["--version", "-v"])
    expect(await dragoman([option])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

const wrong: readonly (readonly [readonly string[], RegExp])[] = [
  [["serv"], /^no such command: serv; did you mean serve\?\n$/],
  [["xyzzy"], /^no such command: xyzzy\n$/],
  [["toString"], /^no such command: toString\n$/],
  [["serve", "--confg", "x"], /^no such option: --confg; did you mean --config\?\n\ndragoman serve /],
  [["check", "--xyzzyx"], /^no such option: --xyzzyx\n/],
  [["call", "t.v1.Echo/Say", "-u", "x"], /^no such option: -u; did you mean --url\?\n/],
  [["check", "-x"], /^no such option: -x\n/],
  [["check", "--config"], /^Option '--config <value>' argument missing\n/],
  [["check", "--json=yes"], /^Option '--json' does not take an argument\n/],
  [["call", "t.v1.Echo/Say", "-d"], /^Option '-d, --data <value>' argument missing\n/],
  ...["serve", "check", "routes"].map((name) => [[name, "extra"], /^unexpected extra\n/] as const),
  [["call"], /^name one method: package.Service\/Method\n/],
  [["call", "Echo"], /^name one method/],
  [["call", "t.v1.Echo/Say", "t.v1.Echo/Say"], /^name one method/],
  [["call", "t.v1.Echo/Say", "-H", "authorization"], /^-H takes NAME: VALUE, not authorization\n/],
  [["call", "t.v1.Echo/Say", "-H", ":path: /x"], /^-H takes NAME: VALUE/],
  [
    ["call", "t.v1.Echo/Say", "--url", "localhost:8443"],
    /^--url must be a URL such as https:.*, not localhost:8443\n/,
  ],
  [["call", "t.v1.Echo/Say", "--url", "ftp://x"], /^--url must be a URL/],
  [["call", "t.v1.Echo/Say", "--url", "nonsense"], /^--url must be a URL/],
  [["call", "t.v1.Echo/Say", "--cacert", "nope.pem"], /^nope.pem cannot be read\n/],
  [["up"], /^name at least one target: host:port\n/],
  [["up", "localhost"], /^localhost is not host:port\n/],
  [["up", "localhost:1", "--port", "70000"], /^--port must be a port, not 70000\n/],
  [["up", "localhost:1", "--admin-port", "-"], /^--admin-port must be a port, not -\n/],
];
test.each(wrong)("wrong usage: %j", async (args, message) => {
  await using folder = await tempFolder();
  const output = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof output): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        output[name] += chunk;
        done();
      },
    });
  const code = await runCommand(args, {
    env: {},
    cwd: folder.dir,
    stdin: Readable.from([]),
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    onSignal: () => () => {},
    primary: undefined,
    exit: () => {},
  });
  expect(output.stderr).toMatch(message);
  expect(output.stdout).toBe("");
  expect(code).toBe(2);
});

test("wrong usage ends the process with 2", async () => {
  for (const args of [
    ["serv"],
    ["check", "--xyzzyx"],
    ["call", "t.v1.Echo/Say", "--url", "localhost:8443"],
  ]) {
    const { code, stdout, stderr } = await dragoman(args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).not.toMatch(/^ +at /m);
  }
});

test("hash-password makes of a password what a file of users keeps", async () => {
  const { code, stdout } = await dragoman(["hash-password"], { stdin: "secret word\nmore\n" });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[\w+/]{22}\$[\w+/]{43}\n$/);
  expect(await dragoman(["hash-password"], { stdin: "\n" })).toMatchObject({ code: 1, stdout: "" });
  expect(await dragoman(["hash-password", "secret"])).toMatchObject({ code: 2, stdout: "" });
});
