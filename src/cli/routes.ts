import { type RouteView, routeViews } from "#gateway";
import { readOptions } from "./options.ts";
import { hasErrors, loadPlan, printProblems } from "./planned.ts";
import { type Command, UsageError } from "./terminal.ts";

export const routesCommand: Command = {
  summary: "list every route with its method, upstream and policies",
  usage: `dragoman routes [--config FILE] [--json]

  --config FILE  the configuration; gateway.yaml when absent
  --json         for scripts`,
  async run(args, terminal) {
    const { values, positionals } = readOptions(args, {
      config: { type: "string" },
      json: { type: "boolean" },
    });
    if (positionals.length > 0) throw new UsageError(`unexpected ${positionals[0]}`);
    const { plan, problems } = await loadPlan(values.config, terminal);
    printProblems(problems, terminal);
    if (plan === undefined) return 1;
    const views = routeViews(plan);
    terminal.stdout.write(values.json === true ? `${JSON.stringify(views, null, 2)}\n` : table(views));
    return hasErrors(problems) ? 1 : 0;
  },
};

function table(views: readonly RouteView[]): string {
  const rows = [
    ["HTTP", "PATH", "METHOD", "KIND", "UPSTREAM", "WHO", "LIMITS"],
    ...views.map(({ httpMethod, path, method, kind, upstream, access, limits }) => [
      httpMethod,
      path,
      method,
      kind,
      upstream,
      access,
      limits.join(" "),
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
