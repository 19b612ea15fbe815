import { type ParseArgsConfig, parseArgs } from "node:util";
import { didYouMean } from "#config";
import { UsageError } from "./terminal.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Parses the arguments of a command. @throws UsageError, with a suggestion for an option that is misspelt */
export function readOptions<T extends Options>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const given = /^Unknown option '(--?)([\w-]+)/.exec(error.message);
    if (given === null) throw new UsageError(error.message.split(". ", 1)[0]);
    const [, dashes = "", name = ""] = given;
    const meant = didYouMean(name, Object.keys(options));
    throw new UsageError(
      `no such option: ${dashes}${name}${meant === undefined ? "" : `; did you mean --${meant}?`}`,
    );
  }
}

/** A port number from an option. @throws UsageError */
export function readPort(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new UsageError(`--${name} must be a port, not ${text}`);
  return port;
}
