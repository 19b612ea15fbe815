import { deadlineFilter } from "#filter/deadline";
import { rateLimitFilter } from "#filter/rate-limit";
import { answeringHandler, type Cors, type PassThroughRoute } from "#frontend";
import { compose, type Handler } from "#rpc";
import { observers } from "./pipeline.ts";
import type { PlannedEndpoint } from "./plan.ts";
import type { SnapshotOptions } from "./snapshot.ts";
import { syntheticMethod } from "./synthetic-method.ts";

/** A path that people are led through to log in. Anybody may ask for it, since nobody is known yet. */
export function loginRoute(
  { template, login: name, endpoint }: PlannedEndpoint,
  { live, observing, plan }: SnapshotOptions,
  cors: Cors | undefined,
): PassThroughRoute {
  const method = syntheticMethod("passThrough", template);
  const allowsOrigin = (origin: string): boolean => cors?.credentials === true && cors.allows(origin);
  let handler: Handler | undefined;
  const makeHandler = (): Handler => {
    const { endpoints } = live.providers.login(name);
    const { defaults, login } = plan.config;
    const policies = [...new Set(login.get(name)?.limit)].flatMap((each) => plan.limits.get(each) ?? []);
    const { meter } = observing;
    const filters = [
      ...observers(method, observing),
      deadlineFilter({ maxMs: defaults.timeout, wheel: live.deadlines }),
      ...(policies.length === 0
        ? []
        : [rateLimitFilter({ policies, fields: defaults.limitFields, store: live.limits, meter })]),
    ];
    return compose(
      filters,
      answeringHandler(({ header, context }) =>
        endpoints.answer(endpoint, { header, query: context.httpQuery ?? "", allowsOrigin }),
      ),
    );
  };
  return {
    kind: "passthrough",
    method,
    template,
    cors,
    keepsEscapedSlashes: false,
    get handler() {
      handler ??= makeHandler();
      return handler;
    },
  };
}
