export { Connection, type ConnectionEvents, type ConnectionOptions } from "./connection.ts";
export { ErrorCode } from "./constants.ts";
export type { FieldSection, SectionLimits } from "./field-section.ts";
export type { Breach, Stream, StreamConsumer } from "./stream.ts";
