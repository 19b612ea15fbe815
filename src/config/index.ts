export { isPathRoute } from "./check.ts";
export type {
  Config,
  GrpcUpstream,
  HttpUpstream,
  RetryConfig,
  RouteConfig,
  Upstream,
} from "./config.ts";
export { type ExpressionText, expressionProblem } from "./expression-text.ts";
export type { ExternalConfig } from "./external-schema.ts";
export type { HttpBinding, HttpRuleConfig } from "./http-schema.ts";
export { configJsonSchema } from "./json-schema.ts";
export { type BurstRate, type LimitConfig, namesCaller, type TierConfig } from "./limits-schema.ts";
export { type ConfigSource, type LoadOutcome, loadConfig, type ParseContext, parseConfig } from "./load.ts";
export type { Problem } from "./problems.ts";
export { Secret } from "./secret.ts";
export { routeOfMethod } from "./selector.ts";
export type { RedisConfig, StoreConfig } from "./store-schema.ts";
export { didYouMean } from "./suggestion.ts";
export { type CallTranscoding, presets, type Transcoding } from "./transcoding.ts";
export type { Preset } from "./transcoding-schema.ts";
