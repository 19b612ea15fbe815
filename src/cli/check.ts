import { brokenRulesOf } from "#gateway";
import { readOptions } from "./options.ts";
import { hasErrors, loadPlan, printProblems, relativeProblems } from "./planned.ts";
import { type Command, UsageError } from "./terminal.ts";

export const checkCommand: Command = {
  summary: "validate a configuration and its schema, offline",
  usage: `dragoman check [--config FILE] [--json]

Prints every problem as file:line:col. Exits with 1 if any is an error.

  --config FILE  the configuration; gateway.yaml when absent
  --json         the problems as a JSON list on stdout`,
  async run(args, terminal) {
    const { values, positionals } = readOptions(args, {
      config: { type: "string" },
      json: { type: "boolean" },
    });
    if (positionals.length > 0) throw new UsageError(`unexpected ${positionals[0]}`);
    const { plan, problems: found } = await loadPlan(values.config, terminal);
    const problems =
      plan === undefined ? found : [...found, ...relativeProblems(brokenRulesOf(plan), terminal)];
    const failed = hasErrors(problems);
    if (values.json === true) terminal.stdout.write(`${JSON.stringify(problems, null, 2)}\n`);
    else {
      printProblems(problems, terminal);
      if (!failed)
        terminal.stdout.write(`good: ${plan?.methods.length} methods, ${plan?.entries.length} routes\n`);
    }
    return failed ? 1 : 0;
  },
};
