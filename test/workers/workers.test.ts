import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dragoman } from "../cli/support/dragoman.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { type Echo, startEcho } from "./support/echo.ts";
import { callOn, config, proto, type RunningPool, startPool } from "./support/pool.ts";

let echo: Echo;
beforeAll(async () => {
  echo = await startEcho();
});
afterAll(() => echo[Symbol.asyncDispose]());

const times = <T>(count: number, each: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => each(i));

describe("counted over all workers", () => {
  let pool: RunningPool;
  beforeAll(async () => {
    pool = await startPool(
      config(
        echo.address,
        2,
        `upstreams: { echo: { target: "dns:///${echo.address}", maxInFlight: 3, maxQueue: 2 } }
limits: { few: { key: peer.ip, rate: 40/h }, anew: { key: peer.ip, rate: 1/h } }
routes:
  - { match: t.v1.Echo/Hold, public: true }
  - { match: "*", public: true, limit: [few] }
`,
      ),
    );
  });
  afterAll(() => pool[Symbol.asyncDispose]());

  test("of any number of calls at once, exactly as many pass a limit as may", async () => {
    const sessions = times(8, () => pool.connect());
    // One after the other on each connection, so that places of the upstream are no matter.
    const answers = await Promise.all(
      sessions.slice(0, 4).map(async (session, i) => {
        const found = [];
        for (let n = 0; n < 30; n++) {
          const answer = await callOn(session, "Say", `${i}.${n}`);
          if (answer.status !== 503) found.push(answer);
        }
        return found;
      }),
    ).then((all) => all.flat());
    for (const session of sessions) session.close();
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(40);
    expect(new Set(answers.map(({ worker }) => worker)).size).toBe(2);
    expect(await pool.metric("dragoman_limit_decisions_total", 'outcome="allowed"')).toBe(40);
    expect(await pool.metric("dragoman_limit_keys", 'limit="few"')).toBe(1);
    const refused = answers.filter(({ status }) => status === 429).length;
    expect(await pool.metric("dragoman_limit_decisions_total", 'limit="few"', 'outcome="refused"')).toBe(
      refused,
    );
    expect(await pool.metric("dragoman_requests_total", "t.v1.Echo/Say", 'code="OK"')).toBe(40);
  });

  test("an upstream never has more calls than it may, and what is over waits or is refused", async () => {
    const answers = times(10, () => pool.call("Hold"));
    let refused = 0;
    for (const answer of answers)
      void answer.then(({ status }) => {
        if (status === 503) refused++;
      });
    await until("what finds no place is refused", () => refused === 5);
    expect(echo.held).toBe(3);
    expect(await pool.metric("dragoman_upstream_in_flight")).toBe(3);
    expect(await pool.metric("dragoman_upstream_queued")).toBe(2);
    expect(await (await pool.get("/api/upstreams")).json()).toMatchObject([{ inFlight: 3, queued: 2 }]);
    echo.letGo();
    await until("those that waited are there", () => echo.held === 2);
    echo.letGo();
    const all = await Promise.all(answers);
    expect(all.filter(({ status }) => status === 200)).toHaveLength(5);
    expect(new Set(all.map(({ worker }) => worker)).size).toBe(2);
    expect(await pool.metric("dragoman_upstream_in_flight")).toBe(0);
  });

  test("a place that is waited for is nobody's when the one who waits has gone", async () => {
    const held = times(3, () => pool.call("Hold"));
    await until("all places are taken", () => echo.held === 3);
    const session = pool.connect();
    const gone = callOn(session, "Hold", "x").catch(() => undefined);
    await until("it waits", async () => (await pool.metric("dragoman_upstream_queued")) === 1);
    session.destroy();
    await gone;
    await until("nobody waits", async () => (await pool.metric("dragoman_upstream_queued")) === 0);
    echo.letGo();
    await Promise.all(held);
    await until("no place is taken", async () => (await pool.metric("dragoman_upstream_in_flight")) === 0);
  });

  test("what a worker counted stays counted when it is killed, its places are free, and another follows", async () => {
    const before = await pool.metric("dragoman_request_duration_seconds_count", "t.v1.Echo/Say");
    const held = times(3, () => pool.call("Hold").catch(() => undefined));
    await until("all places are taken", () => echo.held === 3);
    const members = await pool.members();
    expect(members.map(({ number, state }) => [number, state])).toEqual([
      [1, "serving"],
      [2, "serving"],
    ]);
    const [first] = members;
    process.kill(first?.pid ?? 0, "SIGKILL");
    await until("it is replaced", async () => {
      const now = await pool.members();
      return now.length === 2 && now.every(({ pid }) => pid !== first?.pid);
    });
    expect(await pool.metric("dragoman_worker_failures_total")).toBe(1);
    // Connections go to the workers in turn, so that each had some.
    const left = await pool.metric("dragoman_upstream_in_flight");
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(3);
    echo.letGo();
    await Promise.all(held);
    expect(await pool.metric("dragoman_upstream_in_flight")).toBe(0);
    expect(await pool.metric("dragoman_request_duration_seconds_count", "t.v1.Echo/Say")).toBe(before);
    await until(
      "the endpoint is ready for both",
      async () => (await pool.metric("dragoman_endpoint_ready")) === 1,
    );
    // The limit remembers, too.
    expect(await pool.call("Say")).toMatchObject({ status: 429 });
    expect(pool.stderr()).toContain('"a worker ended and is replaced"');
  });
});

test("an edit of the configuration is taken by all, or by none", async () => {
  await using pool = await startPool(config(echo.address, 2));
  const edit = (text: string) => pool.folder.write("gateway.yaml", text);
  const statuses = async () => {
    const answers = await Promise.all(times(6, () => pool.call("Say")));
    expect(new Set(answers.map(({ worker }) => worker)).size).toBe(2);
    return answers.map(({ status }) => status);
  };
  expect(await statuses()).toEqual(times(6, () => 200));
  await edit(
    config(
      echo.address,
      2,
      'limits: { one: { key: peer.ip, rate: 2/h } }\nroutes: [{ match: "*", public: true, limit: [one] }]\n',
    ),
  );
  expect(await pool.reload()).toEqual({ status: 200, problems: [] });
  expect((await statuses()).filter((status) => status === 200)).toHaveLength(2);
  // What is wrong with it shows only against the schema, which the workers have.
  await edit(config(echo.address, 2, "limits: { one: { key: peer.nothing, rate: 2/h } }\n"));
  const refused = await pool.reload();
  expect(refused.status).toBe(422);
  expect(refused.problems.map(({ message }) => message)).toEqual([
    expect.stringContaining("peer has no nothing"),
  ]);
  expect(await (await pool.get("/api/config")).text()).toContain('"one"');
  expect(new Set(await statuses())).toEqual(new Set([429]));
});

test("the number of workers follows the configuration", async () => {
  await using pool = await startPool(config(echo.address, 2));
  const numbers = async () => (await pool.members()).map(({ number }) => number);
  for (const [wanted, expected] of [
    [3, [1, 2, 3]],
    [1, [1]],
    [2, [1, 2]],
  ] as const) {
    await pool.folder.write("gateway.yaml", config(echo.address, wanted));
    expect(await pool.reload()).toEqual({ status: 200, problems: [] });
    await until(`there are ${wanted}`, async () => (await numbers()).join() === expected.join());
    expect(await pool.metric("dragoman_workers")).toBe(wanted);
  }
  expect(await pool.call("Say")).toMatchObject({ status: 200 });
});

describe("nobody notices but by a new connection", () => {
  /** Calls without end, each on a connection of its own; resolves to those that failed. */
  function callWithoutEnd(pool: RunningPool): { readonly calls: () => number; stop(): Promise<unknown[]> } {
    const failures: unknown[] = [];
    let calls = 0;
    let going = true;
    const running = times(3, async () => {
      while (going) {
        try {
          const { status } = await pool.call("Say");
          if (status !== 200) failures.push(status);
        } catch (error) {
          failures.push(error);
        }
        calls++;
      }
    });
    return {
      calls: () => calls,
      async stop() {
        going = false;
        await Promise.all(running);
        return failures;
      },
    };
  }

  test("a worker that is asked to end", async () => {
    await using pool = await startPool(config(echo.address, 2));
    const load = callWithoutEnd(pool);
    const [first] = await pool.members();
    const session = pool.connect();
    process.kill(first?.pid ?? 0, "SIGTERM");
    await until("it is replaced", async () => {
      const now = await pool.members();
      return now.length === 2 && now.every(({ pid, state }) => pid !== first?.pid && state === "serving");
    });
    const so = load.calls();
    await until("there were more calls", () => load.calls() > so + 20);
    session.close();
    expect(await load.stop()).toEqual([]);
    expect(await pool.metric("dragoman_worker_failures_total")).toBe(0);
  });

  test("a change of what is listened with, for which all are replaced in turn", async () => {
    await using pool = await startPool(config(echo.address, 2));
    const port = Number(new URL(pool.url).port);
    const before = await pool.members();
    const load = callWithoutEnd(pool);
    const text = config(echo.address, 2).replace(
      "http: { mode: off }",
      "http: { mode: off }, hsts: { maxAge: 1d }",
    );
    await pool.folder.write("gateway.yaml", text);
    expect(await pool.reload()).toEqual({ status: 200, problems: [] });
    await until("the old ones have ended", async () => {
      const now = await pool.members();
      return now.length === 2 && !now.some(({ pid }) => before.some((each) => each.pid === pid));
    });
    expect(await load.stop()).toEqual([]);
    expect(Number(new URL(pool.url).port)).toBe(port);
    // One that cannot be listened with changes nothing.
    await pool.folder.write("gateway.yaml", text.replace("port: 0", "port: 1"));
    const after = await pool.members();
    const refused = await pool.reload();
    expect(refused.status).toBe(process.getuid?.() === 0 ? 200 : 422);
    if (refused.status === 422) {
      expect(refused.problems.map(({ message }) => message)).toEqual([expect.stringContaining("port 1 ")]);
      expect(await pool.members()).toEqual(after);
    }
  });
});

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s lets running calls end in all workers, and ends with 0",
  async (name) => {
    await using pool = await startPool(config(echo.address, 2));
    const held = times(4, () => pool.call("Hold"));
    await until("calls are under way", () => echo.held === 4);
    const members = await pool.members();
    pool.signal(name);
    await until("it is not ready", async () => (await pool.get("/readyz")).status === 503);
    expect(await (await pool.get("/readyz")).json()).toMatchObject({ reasons: ["draining"] });
    // As a terminal does on Ctrl-C.
    if (name === "SIGINT") for (const { pid } of members) process.kill(pid, "SIGINT");
    echo.letGo();
    const answers = await Promise.all(held);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ worker }) => worker)).size).toBe(2);
    expect(await pool.exited).toBe(0);
    for (const { pid } of members) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  },
);

test("no worker outlives the process that started it", async () => {
  await using pool = await startPool(config(echo.address, 2));
  const members = await pool.members();
  pool.signal("SIGKILL");
  await pool.exited;
  await until("they have ended", () =>
    members.every(({ pid }) => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    }),
  );
});

test("what is wrong at the start is told once, and nothing is left running", async () => {
  await using folder = await tempFolder({
    "gateway.yaml": config(echo.address, 4, "limits: { one: { key: peer.nothing, rate: 2/h } }\n"),
    "proto/t.proto": proto,
  });
  const { code, stdout, stderr } = await dragoman(["serve"], { cwd: folder.dir });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr.match(/^[^{].*peer has no nothing/gm)).toHaveLength(1);
});

test("`workers: auto` starts one for each core", async () => {
  await using pool = await startPool(config(echo.address, "auto"));
  const { availableParallelism } = await import("node:os");
  // With a single core there is no other process to ask.
  const response = await pool.get("/api/workers");
  if (availableParallelism() === 1) expect(response.status).toBe(404);
  else expect(await response.json()).toHaveLength(availableParallelism());
});

test("a worker is not to be started by hand", async () => {
  expect(await dragoman(["worker"])).toEqual({
    code: 2,
    stdout: "",
    stderr: "workers are started by `dragoman serve` itself: set `workers` in its configuration\n",
  });
});
