export { concurrencyLimitFilter } from "./filter.ts";
export { Gate, type GateOptions } from "./gate.ts";
