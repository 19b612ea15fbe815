export { badRequest, fromCodecError, type Violation } from "./errors.ts";
export { strictTranscoding, type TranscodeOptions } from "./options.ts";
export { type Parameter, parseQuery } from "./query.ts";
export type { TranscodedResponse } from "./response.ts";
export { compileTranscoder, type Transcoder } from "./transcoder.ts";
