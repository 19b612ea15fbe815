/** Switches of the transcoder beside those of the codec. */
export interface TranscodeOptions {
  /** What a parameter that names no field means. Default `reject`. */
  readonly unknownQuery: "reject" | "ignore";
  /** Parameters that are none of the message's, such as `access_token`. Default none. */
  readonly ignoredParameters: readonly string[];
  /** What a body means where the rule has none. Default `reject`. */
  readonly unexpectedBody: "reject" | "ignore";
}

export const strictTranscoding: TranscodeOptions = {
  unknownQuery: "reject",
  ignoredParameters: [],
  unexpectedBody: "reject",
};
