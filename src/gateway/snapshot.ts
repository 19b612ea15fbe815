import { AnySchema } from "@bufbuild/protobuf/wkt";
import { type Codecs, createCodecs } from "#codec";
import type { CallTranscoding, Config } from "#config";
import {
  type AnswerOptions,
  type Cors,
  createCors,
  type MethodRoute,
  type PassThroughRoute,
  type Route,
  type Routes,
  type ServedMethod,
} from "#frontend";
import { buildRouteTable, type HttpRule, plainRule } from "#route";
import { compose, type Handler, type RpcError } from "#rpc";
import type { Schema } from "#schema";
import { compileTranscoder, type Transcoder } from "#transcode";
import { answerCompression } from "./compression.ts";
import type { LiveState } from "./live-state.ts";
import { loginRoute } from "./login-route.ts";
import { type Observers, observers, pipeline } from "./pipeline.ts";
import type { Plan, PlannedMethod, PlannedPath, PlannedTarget } from "./plan.ts";
import { streamOptions } from "./streams.ts";
import { answersOf, codecOptions, transcodeOptions } from "./switches.ts";
import { syntheticMethod } from "./synthetic-method.ts";

export interface SnapshotOptions {
  readonly plan: Plan;
  readonly live: LiveState;
  readonly observing: Observers;
  /** The innermost handler for a plain path. */
  readonly forward: (planned: PlannedPath) => Handler;
}

/** Everything that serving needs, built whole: schema, routes, policies and the plan of every method. */
export interface Snapshot {
  readonly config: Config;
  readonly schema: Schema;
  readonly plan: Plan;
  readonly routes: Routes;
}

/** Builds a snapshot of a plan that has no errors. What a method needs is made when its first call comes. */
export function buildSnapshot(options: SnapshotOptions): Snapshot {
  const { plan, live, observing } = options;
  const { config, schema } = plan;
  const builder = new RouteBuilder(options);
  const methods = new Map<string, MethodRoute>();
  for (const planned of plan.methods) methods.set(planned.method.path, builder.plainRoute(planned));
  const { table } = buildRouteTable<Route>(
    plan.entries.map((entry) => ({
      ...entry,
      location: undefined,
      keptEscapes: entry.keptEscapes,
      target: builder.route(entry.target),
    })),
    plan.routing,
  );
  live.apply(config);
  const unrouted = syntheticMethod("unrouted", "unrouted");
  const around = observers(unrouted, observing);
  return {
    config,
    schema,
    plan,
    routes: {
      table,
      methods,
      errors: {
        any: builder.codecs.message(schema.registry.getMessage(AnySchema.typeName) ?? AnySchema),
        form: config.transcoding.errors,
        statusHeaders: config.transcoding.statusHeaders,
      },
      requests: {
        methodOverride: config.transcoding.methodOverride,
        formBodies: config.transcoding.formBodies,
      },
      unrouted: {
        method: unrouted,
        handler: (error: RpcError) => compose(around, () => Promise.reject(error)),
      },
      cors: builder.cors,
    },
  };
}

class RouteBuilder {
  /** Those of the gateway as a whole. */
  readonly codecs: Codecs;
  readonly cors: Cors | undefined;
  readonly #options: SnapshotOptions;
  readonly #served = new Map<PlannedMethod, ServedMethod>();
  /** By their options: routes that differ in nothing share them. */
  readonly #codecs = new Map<string, Codecs>();

  constructor(options: SnapshotOptions) {
    const { config } = options.plan;
    this.#options = options;
    this.codecs = this.#codecsFor(config.transcoding);
    this.cors = corsOf(config);
  }

  plainRoute(planned: PlannedMethod): MethodRoute {
    return new LazyMethodRoute(
      planned.method.path,
      () => this.#serve(planned),
      (numbers) => this.#compile(planned, plainRule(planned.method), numbers),
      answersOf(this.#transcoding(planned)),
    );
  }

  route(target: PlannedTarget): Route {
    switch (target.kind) {
      case "method":
        return this.methodRoute(target.planned, target.rule);
      case "path":
        return passThroughRoute(target.planned, this.#options, this.cors);
      case "endpoint":
        return loginRoute(target.planned, this.#options, this.cors);
    }
  }

  methodRoute(planned: PlannedMethod, rule: HttpRule): MethodRoute {
    return new LazyMethodRoute(
      rule.template.text,
      () => this.#serve(planned),
      (numbers) => this.#compile(planned, rule, numbers),
      answersOf(this.#transcoding(planned)),
    );
  }

  #transcoding({ route }: PlannedMethod): CallTranscoding {
    return route?.transcoding ?? this.#options.plan.config.transcoding;
  }

  #compile(planned: PlannedMethod, rule: HttpRule, numbers: boolean): Transcoder {
    const transcoding = this.#transcoding(planned);
    const codecs = this.#codecsFor(numbers ? { ...transcoding, enumsAsInts: true } : transcoding);
    const { repeatedInPath } = this.#options.plan.config.transcoding;
    return compileTranscoder(rule, codecs, transcodeOptions(transcoding, repeatedInPath));
  }

  #codecsFor(transcoding: CallTranscoding): Codecs {
    const options = codecOptions(transcoding);
    const key = JSON.stringify(options);
    let codecs = this.#codecs.get(key);
    if (codecs === undefined) {
      codecs = createCodecs(this.#options.plan.schema.registry, options);
      this.#codecs.set(key, codecs);
    }
    return codecs;
  }

  #serve(planned: PlannedMethod): ServedMethod {
    let served = this.#served.get(planned);
    if (served === undefined) {
      served = this.#makeServed(planned);
      this.#served.set(planned, served);
    }
    return served;
  }

  #makeServed(planned: PlannedMethod): ServedMethod {
    const { live, observing, plan } = this.#options;
    const { method, access, allow, route, timeoutMs } = planned;
    const upstream = live.upstream(planned.upstream.name);
    const codecs = this.#codecsFor(this.#transcoding(planned));
    const output = codecs.message(method.descriptor.output);
    const { config, limits, schema } = plan;
    const { registry } = schema;
    const filters = pipeline(
      { method, access, allow, route, timeoutMs, upstream, config, limits, registry, cors: this.cors },
      observing,
      live,
    );
    const { bodyBytes, messageBytes } = plan.config.listen.limits;
    return {
      method,
      handler: compose(filters, upstream.channel.handler(output)),
      input: codecs.message(method.descriptor.input),
      output,
      messageBytes,
      bodyBytes,
      cors: this.cors,
      streams: streamOptions(config, route, method),
      compression: answerCompression(config, route),
    };
  }
}

/** A route whose parts are made when they are first needed: a large schema has many that never are. */
class LazyMethodRoute implements MethodRoute {
  readonly kind = "method";
  readonly template: string;
  readonly answers: AnswerOptions;
  readonly #makeServed: () => ServedMethod;
  readonly #makeTranscoder: (numbers: boolean) => Transcoder;
  #served: ServedMethod | undefined;
  #transcoder: Transcoder | undefined;
  #numbersTranscoder: Transcoder | undefined;

  constructor(
    template: string,
    makeServed: () => ServedMethod,
    makeTranscoder: (numbers: boolean) => Transcoder,
    answers: AnswerOptions,
  ) {
    this.template = template;
    this.answers = answers;
    this.#makeServed = makeServed;
    this.#makeTranscoder = makeTranscoder;
  }

  get served(): ServedMethod {
    this.#served ??= this.#makeServed();
    return this.#served;
  }

  get transcoder(): Transcoder {
    this.#transcoder ??= this.#makeTranscoder(false);
    return this.#transcoder;
  }

  get numbersTranscoder(): Transcoder {
    this.#numbersTranscoder ??= this.#makeTranscoder(true);
    return this.#numbersTranscoder;
  }
}

function passThroughRoute(
  planned: PlannedPath,
  options: SnapshotOptions,
  cors: Cors | undefined,
): PassThroughRoute {
  const method = syntheticMethod("passThrough", planned.template);
  let handler: Handler | undefined;
  return {
    kind: "passthrough",
    keepsEscapedSlashes: planned.route.escapedSlashes === "keep",
    method,
    template: planned.template,
    cors,
    get handler() {
      handler ??= compose(passThroughFilters(planned, method, options, cors), options.forward(planned));
      return handler;
    },
  };
}

function passThroughFilters(
  planned: PlannedPath,
  method: PassThroughRoute["method"],
  options: SnapshotOptions,
  cors: Cors | undefined,
) {
  const { access, allow, route } = planned;
  const { plan, observing, live } = options;
  const timeoutMs = route.timeoutMs;
  return pipeline(
    {
      method,
      access,
      allow,
      route,
      timeoutMs,
      upstream: undefined,
      config: plan.config,
      limits: plan.limits,
      registry: plan.schema.registry,
      cors,
    },
    observing,
    live,
  );
}

function corsOf({ defaults }: Config): Cors | undefined {
  const { cors } = defaults;
  if (cors === undefined) return undefined;
  return createCors({
    origins: cors.origins,
    credentials: cors.credentials,
    allowHeaders: cors.allowHeaders,
    exposeHeaders: cors.exposeHeaders,
    maxAgeMs: cors.maxAge,
  });
}
