export { type FieldSink, HpackDecoder } from "./decoder.ts";
export { HpackEncoder, ListMemo } from "./encoder.ts";
export type { Entry } from "./entry.ts";
