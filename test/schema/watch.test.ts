import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import {
  type CompileOutcome,
  type ReflectUpstream,
  type SchemaSource,
  SchemaWatcher,
} from "../../src/schema/index.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { compiled, service, setOf } from "./support/compiled.ts";
import { answersFrom, reflectingServer } from "./support/reflecting-server.ts";

async function watched(
  sources: readonly SchemaSource[],
  reflect: ReflectUpstream = undefined,
  intervalMs = 20,
) {
  const outcomes: CompileOutcome[] = [];
  const watcher = new SchemaWatcher({
    sources,
    reflect,
    onChange: (outcome) => outcomes.push(outcome),
    reflectionIntervalMs: intervalMs,
  });
  outcomes.push(await watcher.start());
  return {
    watcher,
    outcomes,
    /** What is served. */
    names: () => [...(watcher.current()?.methods.keys() ?? [])],
    [Symbol.asyncDispose]: () => watcher.close(),
  };
}

const folderOf = (folder: TempFolder): SchemaSource[] => [{ kind: "proto", dir: folder.dir }];

describe("a watched folder", () => {
  test("a file dropped, edited, broken, mended and deleted", async () => {
    await using folder = await tempFolder({ "t/v1/echo.proto": service("t.v1.Echo") });
    await using watch = await watched(folderOf(folder));
    expect(watch.names()).toEqual(["t.v1.Echo/Say"]);
    await folder.write("new/deep/other.proto", service("o.O"));
    await until("the dropped file is served", () => watch.names().includes("o.O/Say"));
    await folder.write("t/v1/echo.proto", service("t.v1.Echo", "Shout"));
    await until("the edit is seen", () => watch.names().includes("t.v1.Echo/Shout"));
    await folder.write("t/v1/echo.proto", `${service("t.v1.Echo")}\nmessage {`);
    await until("the fault is seen", () => watch.watcher.problems().length > 0);
    expect(watch.outcomes.at(-1)?.schema).toBeUndefined();
    expect(watch.watcher.problems()[0]).toMatchObject({ severity: "error", line: 6, column: 1 });
    expect(watch.names()).toContain("t.v1.Echo/Shout");
    await folder.write("t/v1/echo.proto", service("t.v1.Echo", "Whisper"));
    await until("it is mended", () => watch.names().includes("t.v1.Echo/Whisper"));
    expect(watch.watcher.problems()).toEqual([]);
    await folder.remove("new");
    await until("the deleted file is gone", () => watch.names().length === 1);
  });

  test("is soon up to date", async () => {
    await using folder = await tempFolder({ "a.proto": service("a.A") });
    await using watch = await watched(folderOf(folder));
    for (const name of ["b", "c/d/e"]) {
      await folder.write(`${name}.proto`, service(`${name.replaceAll("/", ".")}.S`));
      await until("it is served", () =>
        watch.names().some((each) => each.startsWith(name.replaceAll("/", "."))),
      );
    }
  });

  test("a touched file whose content is the same changes nothing", async () => {
    await using folder = await tempFolder({ "a.proto": service("a.A") });
    await using watch = await watched(folderOf(folder));
    await folder.write("a.proto", service("a.A"));
    await folder.write("b.proto", 'syntax = "proto3";\nmessage B {}\n');
    await until("the other file is seen", () => watch.outcomes.length > 1);
    expect(watch.outcomes).toHaveLength(2);
  });

  test("a file saved by renaming, and one renamed", async () => {
    await using folder = await tempFolder({ "a.proto": service("a.A") });
    await using watch = await watched(folderOf(folder));
    await folder.write(".a.proto.swp", service("a.A", "Shout"));
    await rename(path.join(folder.dir, ".a.proto.swp"), path.join(folder.dir, "a.proto"));
    await until("the new content is seen", () => watch.names()[0] === "a.A/Shout");
    await mkdir(path.join(folder.dir, "sub"));
    await rename(path.join(folder.dir, "a.proto"), path.join(folder.dir, "sub/b.proto"));
    await until(
      "it has moved",
      () => watch.names().length === 1 && locationOf(watch).endsWith("sub/b.proto"),
    );
  });

  test("a folder that is deleted and made again", async () => {
    await using folder = await tempFolder({ "proto/sub/a.proto": service("a.A") });
    const dir = path.join(folder.dir, "proto");
    await using watch = await watched([{ kind: "proto", dir }]);
    await rm(dir, { recursive: true });
    await until("it is missed", () => watch.watcher.problems()[0]?.message === "the folder does not exist");
    expect(watch.names()).toEqual(["a.A/Say"]);
    await folder.write("proto/sub/b.proto", service("b.B"));
    await until("it is back", () => watch.names()[0] === "b.B/Say");
    await folder.write("proto/sub/b.proto", service("b.B", "Shout"));
    await until("it is watched", () => watch.names()[0] === "b.B/Shout");
  });

  test("a folder that another takes the place of", async () => {
    await using folder = await tempFolder({ "one/a.proto": service("a.A"), "two/a.proto": service("b.B") });
    const dir = path.join(folder.dir, "current");
    await symlink("one", dir);
    await using watch = await watched([{ kind: "proto", dir }]);
    await symlink("two", `${dir}.next`);
    await rename(`${dir}.next`, dir);
    await until("the other is served", () => watch.names()[0] === "b.B/Say");
    await folder.write("two/a.proto", service("b.B", "Shout"));
    await until("the other is watched", () => watch.names()[0] === "b.B/Shout");
  });

  test("many changes at once are one", async () => {
    await using folder = await tempFolder({ "a.proto": service("a.A") });
    await using watch = await watched(folderOf(folder));
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => folder.write(`many/m${i}.proto`, service(`m${i}.S`))),
    );
    await until("all are served", () => watch.names().length === 31);
    expect(watch.outcomes.length).toBeLessThan(6);
  });
});

function locationOf({ watcher }: { watcher: SchemaWatcher }): string {
  const [method] = watcher.current()?.methods.values() ?? [];
  return method?.location?.file ?? "";
}

test("a descriptor set that is written, replaced, deleted", async () => {
  const bytesOf = async (name: string) =>
    setOf((await compiled({ "a.proto": service(name) })).files.map(({ bytes }) => bytes));
  await using folder = await tempFolder();
  const file = path.join(folder.dir, "set.binpb");
  await using watch = await watched([{ kind: "descriptors", file }]);
  expect(watch.watcher.problems()[0]?.message).toBe("the descriptor set does not exist");
  await writeFile(file, await bytesOf("a.A"));
  await until("it is served", () => watch.names()[0] === "a.A/Say");
  await writeFile(`${file}.new`, await bytesOf("b.B"));
  await rename(`${file}.new`, file);
  await until("the new one is served", () => watch.names()[0] === "b.B/Say");
  await rm(file);
  await until("it is missed", () => watch.watcher.problems().length === 1);
  expect(watch.names()).toEqual(["b.B/Say"]);
});

describe("an upstream that is asked", () => {
  const answers = async (name: string) => {
    const { files } = await compiled({ "a.proto": service(name) });
    return answersFrom({ [name]: "a.proto" }, new Map(files.map((file) => [file.name, file.bytes])));
  };
  const sources: SchemaSource[] = [{ kind: "reflection", upstream: "u" }];
  const lost = () => ({ case: undefined });

  test("is asked again and again, and on demand", async () => {
    await using server = await reflectingServer(["v1"], await answers("a.A"));
    await using watch = await watched(sources, () => server.stream);
    expect(watch.names()).toEqual(["a.A/Say"]);
    server.answer = await answers("b.B");
    await until("the change is seen", () => watch.names()[0] === "b.B/Say");
    await using slow = await watched(sources, () => server.stream, 600_000);
    server.answer = await answers("c.C");
    await slow.watcher.refresh();
    expect(slow.names()).toEqual(["c.C/Say"]);
    expect(slow.outcomes).toHaveLength(2);
  });

  test("may be away at first, and come", async () => {
    await using server = await reflectingServer(["v1"], lost);
    await using watch = await watched(sources, () => server.stream);
    expect(watch.outcomes[0]?.schema).toBeUndefined();
    expect(watch.watcher.problems().map(({ severity }) => severity)).toEqual(["warning", "error"]);
    server.answer = await answers("a.A");
    await until("it is served", () => watch.names()[0] === "a.A/Say");
    expect(watch.watcher.problems()).toEqual([]);
  });

  test("keeps its methods while it is away, and others change meanwhile", async () => {
    await using folder = await tempFolder({ "f.proto": service("f.F") });
    await using server = await reflectingServer(["v1"], await answers("a.A"));
    await using watch = await watched([...folderOf(folder), ...sources], () => server.stream);
    server.answer = lost;
    await until("it is missed", () => watch.watcher.problems().length > 0);
    expect(watch.watcher.problems()).toMatchObject([{ severity: "warning" }]);
    await folder.write("f.proto", service("f.F", "Shout"));
    await until("the edit is served", () => watch.names().includes("f.F/Shout"));
    expect(watch.names()).toEqual(["a.A/Say", "f.F/Shout"]);
  });

  test("holds back what changes until it has answered for the first time", async () => {
    await using folder = await tempFolder({ "f.proto": service("f.F") });
    const answer = new AbortController();
    const told: CompileOutcome[] = [];
    const watcher = new SchemaWatcher({
      sources: [...folderOf(folder), ...sources],
      reflect: () =>
        async function* () {
          await once(answer.signal, "abort");
          yield await Promise.reject(new Error("away"));
        },
      onChange: (outcome) => told.push(outcome),
    });
    const starting = watcher.start();
    const compilation = async () => {
      await until("it compiles", () => compilers().length > 0);
      await until("it has compiled", () => compilers().length === 0);
    };
    await compilation();
    await folder.write("f.proto", service("f.F", "Shout"));
    await compilation();
    // Once the next one begins, the one before has been delivered, if it ever is.
    await folder.write("f.proto", service("f.F", "Whisper"));
    await compilation();
    answer.abort();
    await starting;
    expect(told).toEqual([]);
    await until("the change is served", () => watcher.current()?.methods.has("f.F/Whisper") === true);
    await watcher.close();
  });

  test("does not hold up a folder by its silence", async () => {
    await using folder = await tempFolder({ "f.proto": service("f.F") });
    await using server = await reflectingServer(["v1"], await answers("a.A"));
    await using watch = await watched([...folderOf(folder), ...sources], () => server.stream);
    server.answer = undefined;
    const asked = server.asked.length;
    await until("it is being asked", () => server.asked.length > asked);
    await folder.write("f.proto", service("f.F", "Shout"));
    await until("the edit is served", () => watch.names().includes("f.F/Shout"), 2000);
  });
});

describe.runIf(process.platform === "linux")("closing leaves nothing behind", () => {
  test("in the midst of a compilation and a question", async () => {
    await using folder = await tempFolder({ "a.proto": service("a.A") });
    await using server = await reflectingServer(["v1"], undefined);
    const watcher = new SchemaWatcher({
      sources: [...folderOf(folder), { kind: "reflection", upstream: "u" }],
      reflect: () => server.stream,
      onChange: () => expect.unreachable("nothing may be reported any more"),
    });
    const before = watchedFolders();
    const starting = watcher.start();
    await until("it compiles", () => compilers().length > 0);
    await until("it is asked", () => server.asked.length === 1);
    await watcher.close();
    await starting;
    expect(watchedFolders()).toBe(before);
    expect(compilers()).toEqual([]);
  });

  test("while nothing happens, and just after a change", async () => {
    await using folder = await tempFolder({ "sub/a.proto": service("a.A") });
    const before = watchedFolders();
    const watch = await watched(folderOf(folder));
    expect(watchedFolders()).toBe(before + 2);
    await folder.write("b.proto", "broken");
    await watch.watcher.close();
    expect(watchedFolders()).toBe(before);
    expect(compilers()).toEqual([]);
  });
});

/** How many folders this process has the kernel watch (proc_pid_fdinfo(5)). */
function watchedFolders(): number {
  const infos = readdirSync("/proc/self/fdinfo").map((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    } catch {
      return "";
    }
  });
  return infos.join("").split("inotify wd:").length - 1;
}

/** Compilers that this process has running. */
function compilers(): string[] {
  const listed = execFileSync("ps", ["-o", "ppid=,args=", "-A"], { encoding: "utf8" });
  return listed
    .split("\n")
    .filter((line) => line.trim().startsWith(`${process.pid} `) && line.includes(" build own "));
}
