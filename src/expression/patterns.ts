import type { celEnv } from "@bufbuild/cel";
import { RE2JS } from "@bufbuild/re2";

type Engine = NonNullable<NonNullable<Parameters<typeof celEnv>[0]>["re2"]>;

/** More than the rules of any configuration have. */
const maxKept = 1000;

const kept = new Map<string, RE2JS>();

/**
 * The patterns of `matches`, in RE2: they take time in proportion to the text, whatever it is. Compiled once, when the rule
 * is checked; a pattern is always written in a rule, so that no caller can choose one.
 */
export const patterns: Engine = {
  compile(pattern) {
    let compiled = kept.get(pattern);
    if (compiled === undefined) {
      compiled = RE2JS.compile(pattern);
      const [oldest] = kept.keys();
      if (kept.size >= maxKept && oldest !== undefined) kept.delete(oldest);
      kept.set(pattern, compiled);
    }
    return compiled;
  },
};
