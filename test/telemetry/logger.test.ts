import { expect, test } from "vitest";
import { createLogger, type LogFields, type LogLevel } from "#telemetry";

const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** The records that a logger writes, each of which must be one line. */
function logged(act: (logger: ReturnType<typeof createLogger>) => void, least?: LogLevel) {
  const lines: string[] = [];
  act(createLogger({ write: (line) => lines.push(line) }, least));
  return lines.map((line): Record<string, unknown> => {
    expect(line.indexOf("\n")).toBe(line.length - 1);
    return JSON.parse(line);
  });
}

test.each<[LogLevel | undefined, readonly LogLevel[]]>([
  ["debug", levels],
  ["info", ["info", "warn", "error"]],
  ["warn", ["warn", "error"]],
  ["error", ["error"]],
  [undefined, ["info", "warn", "error"]],
])("from %s on, these levels are written: %j", (least, written) => {
  const records = logged((logger) => {
    for (const level of levels) logger[level](`said ${level}`);
  }, least);
  expect(records.map(({ level }) => level)).toEqual(written);
  expect(records.map(({ message }) => message)).toEqual(written.map((level) => `said ${level}`));
});

test("a record is one JSON object: time, level, message, and the fields beside them", () => {
  const [record] = logged((logger) => logger.info('a "message"\nof two lines', { port: 8443, tls: true }));
  expect(record).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    level: "info",
    message: 'a "message"\nof two lines',
    port: 8443,
    tls: true,
  });
  expect(Object.keys(record ?? {})).toEqual(["time", "level", "message", "port", "tls"]);
});

test("an error, with its code and where it came from, and its cause", () => {
  const root = Object.assign(new TypeError("refused"), { code: "ECONNREFUSED" });
  const error = new Error("no keys", { cause: root });
  const [record] = logged((logger) => logger.warn("w", { error, nested: { list: [root] } }));
  const rootText = {
    name: "TypeError",
    message: "refused",
    code: "ECONNREFUSED",
    stack: expect.any(Array),
  };
  expect(record).toMatchObject({
    error: { name: "Error", message: "no keys", cause: rootText },
    nested: { list: [rootText] },
  });
  const stack: unknown = Object.entries(record?.error ?? {}).find(([key]) => key === "stack")?.[1];
  expect(stack).toEqual(expect.arrayContaining([expect.stringMatching(/^at .*logger\.test\.ts/)]));
  expect(stack).toHaveProperty("length", 5);
});

const circular: Record<string, unknown> = {};
circular.self = circular;
const causes = new Error("chicken");
causes.cause = new Error("egg", { cause: causes });

test.each<[string, LogFields, Record<string, unknown>]>([
  ["a bigint", { size: 2n ** 70n }, { size: "1180591620717411303424" }],
  ["what is undefined is left out", { gone: undefined }, {}],
  ["something circular", { circular }, { level: "error", message: "a log record could not be written" }],
  ["circular causes", { causes }, { message: "a log record could not be written" }],
  [
    "something that refuses to be printed",
    {
      bad: {
        toJSON() {
          throw new Error("no");
        },
      },
    },
    { message: "a log record could not be written" },
  ],
])("%s never throws", (_name, fields, expected) => {
  const records = logged((logger) => logger.error("e", fields));
  expect(records).toHaveLength(1);
  expect(records[0]).toMatchObject(expected);
  expect(records[0]).not.toHaveProperty("gone");
});

test("what stands in every line stands before what is of one", () => {
  const lines: string[] = [];
  createLogger({ write: (line) => lines.push(line) }, "info", { worker: 2 }).info("serving", { methods: 1 });
  expect(JSON.parse(lines[0] as string)).toMatchObject({ message: "serving", worker: 2, methods: 1 });
});
