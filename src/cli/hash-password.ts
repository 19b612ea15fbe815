import { hashPassword } from "#gateway";
import { readOptions } from "./options.ts";
import { type Command, UsageError } from "./terminal.ts";

export const hashPasswordCommand: Command = {
  summary: "make of a password what a file of users keeps",
  usage: `dragoman hash-password

Reads a password, one line, from stdin, and prints what to write as \`password\` into a file of auth.basic. It is never an
argument, which other users of the machine could see.`,
  async run(args, terminal) {
    const { positionals } = readOptions(args, {});
    if (positionals.length > 0) throw new UsageError("the password is read from stdin");
    const chunks: Uint8Array[] = [];
    for await (const chunk of terminal.stdin) {
      chunks.push(Buffer.from(chunk));
      if (chunk.includes("\n")) break;
    }
    const [password = ""] = Buffer.concat(chunks).toString().split(/\r?\n/, 1);
    try {
      terminal.stdout.write(`${await hashPassword(password)}\n`);
      return 0;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      terminal.stderr.write(`${error.message}\n`);
      return 1;
    }
  },
};
