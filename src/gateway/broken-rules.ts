import { brokenRules } from "#filter/validate";
import type { Problem } from "#schema";
import type { Plan } from "./plan.ts";

/**
 * The rules of `buf.validate` in a schema that can be used on no message, where requests are held to them. They would refuse
 * every call of their methods. Compiles all there are, which takes its time.
 */
export function brokenRulesOf({ methods, config, schema }: Plan): readonly Problem[] {
  const problems = new Map<string, Problem>();
  for (const { method, route } of methods) {
    const mode = route?.validate ?? config.defaults.validate;
    if (mode === "off") continue;
    for (const { type, cause } of brokenRules(method.descriptor.input, schema.registry)) {
      const at = method.location;
      // The first method that takes it is told.
      if (problems.has(type)) continue;
      problems.set(type, {
        severity: mode === "enforce" ? "error" : "warning",
        message: `${method.name}: the rules of ${type} cannot be used: ${cause.message}`,
        ...(at === undefined ? {} : { file: at.file, line: at.line, column: at.column }),
      });
    }
  }
  return [...problems.values()];
}
