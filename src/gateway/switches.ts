import type { CodecOptions } from "#codec";
import type { CallTranscoding, Transcoding } from "#config";
import type { AnswerOptions } from "#frontend";
import type { TranscodeOptions } from "#transcode";

/** What the switches of the configuration mean to the codecs. */
export function codecOptions(transcoding: CallTranscoding): CodecOptions {
  const { emitDefaults, enumsAsInts, protoNames, unknownFields, caseInsensitiveEnums } = transcoding;
  return {
    emitDefaults,
    enumsAsInts,
    protoNames,
    ignoreUnknownFields: unknownFields === "ignore",
    caseInsensitiveEnums,
  };
}

const separators: Readonly<Record<Transcoding["repeatedInPath"], string | undefined>> = {
  none: undefined,
  csv: ",",
  pipes: "|",
  ssv: " ",
  tsv: "\t",
};

/** The same to transcoders. */
export function transcodeOptions(
  transcoding: CallTranscoding,
  repeatedInPath: Transcoding["repeatedInPath"],
): TranscodeOptions {
  const { unknownQuery, ignoredParameters, plusInQuery, parameterValues, systemParameters } = transcoding;
  const { unexpectedBody, fieldConflicts, queryBesideBody } = transcoding;
  return {
    unknownQuery,
    ignoredParameters,
    plusInQuery,
    parameterValues,
    systemParameters,
    unexpectedBody,
    fieldConflicts,
    queryBesideBody,
    repeatedSeparator: separators[repeatedInPath],
  };
}

/** The same to the front end. */
export function answersOf({ streamFormat, emptyReply, systemParameters }: CallTranscoding): AnswerOptions {
  return { streamFormat, emptyIsNoContent: emptyReply === "no_content", systemParameters };
}
