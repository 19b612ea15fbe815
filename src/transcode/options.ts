/** Switches of the transcoder beside those of the codec; the defaults are those of google/api/http.proto. */
export interface TranscodeOptions {
  /** What a parameter that names no field means. Default `reject`. */
  readonly unknownQuery: "reject" | "ignore";
  /** Parameters that are none of the message's, such as `access_token`. Default none. */
  readonly ignoredParameters: readonly string[];
  /** What `+` means in a query. Default `space`, as in HTML forms. */
  readonly plusInQuery: "space" | "plus";
  /**
   * How values in paths and queries are written: as in ProtoJSON, or also as Go's `strconv` and `time` read them: `t` for
   * true, `0x10` in paths, `inf`, `1h30m`, and field masks by proto names. Default `protojson`.
   */
  readonly parameterValues: "protojson" | "go";
  /** What a body means where the rule has none; `merge`: what it means to a rule with body `*`. Default `reject`. */
  readonly unexpectedBody: "reject" | "ignore" | "merge";
  /** What several values for one field mean: a fault, or the value of the path. Default `reject`. */
  readonly fieldConflicts: "reject" | "path";
  /** What parameters for fields mean that come from the body. Default `reject`. */
  readonly queryBesideBody: "reject" | "ignore";
  /** `alt`, `fields` and `prettyPrint` are none of the message's unless it has such fields. Default false. */
  readonly systemParameters: boolean;
  /** What separates the values of a repeated field in a path; undefined where paths have none. */
  readonly repeatedSeparator: string | undefined;
}

export const strictTranscoding: TranscodeOptions = {
  unknownQuery: "reject",
  ignoredParameters: [],
  plusInQuery: "space",
  parameterValues: "protojson",
  unexpectedBody: "reject",
  fieldConflicts: "reject",
  queryBesideBody: "reject",
  systemParameters: false,
  repeatedSeparator: undefined,
};
