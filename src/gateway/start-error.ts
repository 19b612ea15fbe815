import type { Problem } from "#schema";

/** Why a gateway cannot start, in words for the person who started it. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly problems: readonly Problem[];

  constructor(
    message: string,
    options: { readonly cause?: unknown; readonly problems?: readonly Problem[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.problems = options.problems ?? [];
  }
}
