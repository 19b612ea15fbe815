/** What goes beside a message. Never credentials. */
export type LogFields = Readonly<Record<string, unknown>>;

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Where the gateway says what happens to it. Implementations never throw. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A sink for whole lines. */
export interface LineSink {
  write(line: string): void;
}

/** One for whoever writes many. */
export interface LineOutput extends LineSink {
  /** A line, in UTF-8. It is copied: the octets may change as soon as this has returned. */
  writeOctets(line: Uint8Array): void;
}

const severity: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/**
 * A logger that writes one JSON object a line. An Error among the fields becomes its name, message, code and cause.
 *
 * @param always what stands in every line
 */
export function createLogger(sink: LineSink, least: LogLevel = "info", always: LogFields = {}): Logger {
  const log = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (severity[level] < severity[least]) return;
    sink.write(`${stringify({ time: new Date().toISOString(), level, message, ...always, ...fields })}\n`);
  };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}

function stringify(record: LogFields): string {
  try {
    return JSON.stringify(record, (_key, value: unknown) => {
      if (typeof value === "bigint") return value.toString();
      return value instanceof Error ? describeError(value) : value;
    });
  } catch {
    return JSON.stringify({ level: "error", message: "a log record could not be written" });
  }
}

function describeError(error: Error): LogFields {
  return {
    name: error.name,
    message: error.message,
    ...("code" in error ? { code: error.code } : {}),
    ...(error.stack === undefined
      ? {}
      : {
          stack: error.stack
            .split("\n")
            .slice(1, 6)
            .map((line) => line.trim()),
        }),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  };
}
