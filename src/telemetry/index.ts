export { batchedLines } from "./batched-lines.ts";
export {
  createLogger,
  type LineOutput,
  type LineSink,
  type LogFields,
  type Logger,
  type LogLevel,
} from "./logger.ts";
export type { Counter, Gauge, Histogram, Labels, Meter } from "./meter.ts";
export { createPrometheusMeter, type PrometheusMeter } from "./prometheus.ts";
export { exposeSamples, type FamilySample, lastingSamples, mergeSamples } from "./samples.ts";
