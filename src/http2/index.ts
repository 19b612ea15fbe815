export { busyPoll, newSource } from "./busy-poll.ts";
export { Connection } from "./connection.ts";
export type { ConnectionEvents, ConnectionOptions } from "./connection-options.ts";
export { ErrorCode } from "./constants.ts";
export type { FieldSection, SectionLimits } from "./field-section.ts";
export { type Flushed, flushing } from "./flushing.ts";
export type { Breach, Stream, StreamConsumer } from "./stream.ts";
