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

/** @param kept which escapes stay in a variable over several segments */
export function capturePlan({ segments, rest, variables }: Template, kept: KeptEscapes): CapturePlan {
  return {
    length: segments.length,
    rest,
    places: variables.flatMap(({ start, end }) => [start, end]),
    kept: variables.map(({ multi }) => (multi ? kept : "none")),
  };
}
