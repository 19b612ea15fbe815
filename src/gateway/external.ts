import type { ExternalConfig } from "#config";
import { expressionProblem } from "#config";
import { compileExpression, type Program } from "#expression";
import {
  type Authorizer,
  DecisionCache,
  type ExtAuthzOptions,
  grpcAuthorizer,
  httpAuthorizer,
} from "#filter/ext-authz";
import type { Problem } from "#schema";

/** An authorization service, as long as its part of the configuration stays the same. */
export interface LiveExternal {
  readonly authorizer: Authorizer;
  /** Shared by all methods that ask it. */
  readonly cache: ExtAuthzOptions["cache"];
}

export function makeExternal({ service, cache }: ExternalConfig): LiveExternal {
  return {
    authorizer: service.kind === "grpc" ? grpcAuthorizer(service.address) : httpAuthorizer(service),
    cache:
      cache === undefined
        ? undefined
        : { decisions: new DecisionCache(cache.ttlMs), key: keyPrograms(cache.key, []) },
  };
}

/** Says what is wrong with the keys of caches. */
export function checkExternals(externals: ReadonlyMap<string, ExternalConfig>, problems: Problem[]): void {
  for (const { cache } of externals.values()) if (cache !== undefined) keyPrograms(cache.key, problems);
}

function keyPrograms(
  key: NonNullable<ExternalConfig["cache"]>["key"],
  problems: Problem[],
): readonly Program<string>[] {
  return key.flatMap((text) => {
    const compiled = compileExpression(text.text, { result: "key" });
    for (const { message, offset } of compiled.problems)
      problems.push(expressionProblem(text, { message: `auth.external: ${message}`, offset }));
    return compiled.program === undefined ? [] : [compiled.program];
  });
}
