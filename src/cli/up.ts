import { writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { parseConfig } from "#config";
import { readOptions, readPort } from "./options.ts";
import { printProblems } from "./planned.ts";
import { runGateway } from "./run-gateway.ts";
import { type Command, UsageError } from "./terminal.ts";

export const upCommand: Command = {
  summary: "serve without a configuration file",
  usage: `dragoman up [TARGET...] [--proto DIR] [--descriptors FILE] [--save FILE]

Serves every method of the targets, which are endpoints of one service: host:port each. The schema comes from a folder
of .proto files, from a descriptor set, or else from the server reflection of the targets.

  --proto DIR         a folder of .proto files; watched
  --descriptors FILE  a FileDescriptorSet; watched
  --save FILE         write the configuration that was inferred, and go on
  --port N            HTTPS; 8443 when absent
  --http-port N       plain HTTP, which redirects; 8080 when absent
  --admin-port N      9901 when absent`,
  async run(args, terminal) {
    const { values, positionals } = readOptions(args, {
      proto: { type: "string", multiple: true },
      descriptors: { type: "string", multiple: true },
      save: { type: "string" },
      port: { type: "string" },
      "http-port": { type: "string" },
      "admin-port": { type: "string" },
    });
    for (const target of positionals) {
      if (!/^(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/.test(target))
        throw new UsageError(`${target} is not host:port`);
    }
    if (positionals.length === 0) throw new UsageError("name at least one target: host:port");
    const file = path.resolve(terminal.cwd, values.save ?? "gateway.yaml");
    // In a configuration, paths start from where it is.
    const fromFile = (named: string): string =>
      path.relative(path.dirname(file), path.resolve(terminal.cwd, named)) || ".";
    const schema = [
      ...(values.proto ?? []).map((dir) => ({ proto: fromFile(dir) })),
      ...(values.descriptors ?? []).map((each) => ({ descriptors: fromFile(each) })),
    ];
    const inferred = {
      version: 1,
      listen: {
        https: { port: readPort("port", values.port, 8443), tls: "dev" },
        http: { port: readPort("http-port", values["http-port"], 8080) },
      },
      admin: { port: readPort("admin-port", values["admin-port"], 9901) },
      schema: schema.length > 0 ? schema : [{ reflection: "default" }],
      upstreams: { default: `grpc://${positionals.join(",")}` },
      routes: [{ match: "*", to: "default", public: true }],
    };
    const text = stringify(inferred);
    const loaded = parseConfig(text, { file, env: terminal.env });
    printProblems(loaded.problems, terminal);
    if (loaded.config === undefined) return 1;
    if (values.save !== undefined) {
      try {
        writeFileSync(file, text);
      } catch {
        terminal.stderr.write(`${values.save} cannot be written\n`);
        return 1;
      }
      terminal.stderr.write(`wrote ${values.save}\n`);
    }
    return runGateway({ config: loaded.config, source: loaded.source, terminal, onStarted: () => () => {} });
  },
};
