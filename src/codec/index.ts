export type { Codec, CodecOptions, Codecs, CreateCodecs, FieldCodec } from "./codec.ts";
export { CodecError } from "./error.ts";
