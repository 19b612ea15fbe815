import type { Config, RouteConfig } from "#config";
import { type AnswerCompression, codingsOf } from "#frontend";

/** What configuration says of the compression of one method's answers. */
export function answerCompression(
  { compression }: Config,
  route: RouteConfig | undefined,
): AnswerCompression {
  if (compression === undefined || route?.compression === "off")
    return { whole: undefined, streams: undefined };
  const { threshold, encodings, streams } = compression;
  const whole = { threshold, codings: codingsOf(encodings) };
  return { whole, streams: streams ? whole : undefined };
}
