export { badRequest, fromCodecError, type Violation } from "./errors.ts";
export { strictTranscoding, type TranscodeOptions } from "./options.ts";
export { type Parameter, parseQuery } from "./query.ts";
export { compileTranscoder, type TranscodedResponse, type Transcoder } from "./transcoder.ts";
