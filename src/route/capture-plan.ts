import type { KeptEscapes } from "./percent.ts";
import type { Template } from "./template.ts";

/** Where a path holds the text of a variable, by segments of the template: from `start`, up to and without `end`. */
export interface CapturePlan {
  /** Segments of the template. */
  readonly length: number;
  /** Which of them is `**`; -1 when there is none. */
  readonly rest: number;
  /** `start`, `end`, `start`, `end` and so on. */
  readonly places: readonly number[];
  readonly kept: readonly KeptEscapes[];
}

/**
 * Makes plans, each once: most routes of a table share a few, which then are close at hand for the processor.
 *
 * @returns a function of a template, and of which escapes stay in a variable over several segments
 */
export function capturePlans(): (template: Template, kept: KeptEscapes) => CapturePlan {
  const known = new Map<string, CapturePlan>();
  return ({ segments, rest, variables }, kept) => {
    const plan = {
      length: segments.length,
      rest,
      places: variables.flatMap(({ start, end }) => [start, end]),
      kept: variables.map(({ multi }) => (multi ? kept : "none")),
    };
    const key = JSON.stringify(plan);
    const before = known.get(key);
    if (before !== undefined) return before;
    known.set(key, plan);
    return plan;
  };
}
