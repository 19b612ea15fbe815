export type { Codec, CodecOptions, Codecs, CreateCodecs, EmitDefaults, FieldCodec } from "./codec.ts";
export { createCodecs } from "./codecs.ts";
export { CodecError } from "./error.ts";
