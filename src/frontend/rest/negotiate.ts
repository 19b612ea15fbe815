interface Range {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
}

/**
 * Chooses among what is offered by an `accept` field (RFC 9110 12.5.1): the highest quality, then the order of the
 * offers. Undefined when nothing offered is acceptable. A field that is absent or empty accepts anything; parts of it
 * that are no media range are ignored.
 *
 * @param offers media types without parameters, in the order in which the server prefers them; not empty
 */
export function negotiate(accept: string | undefined, offers: readonly string[]): string | undefined {
  if (accept === undefined || accept === "" || accept === "*/*") return offers[0];
  const ranges = accept
    .split(",")
    .map(parseRange)
    .filter((range) => range !== undefined);
  if (ranges.length === 0) return offers[0];
  let best: string | undefined;
  let bestQuality = 0;
  for (const offer of offers) {
    const quality = qualityOf(offer, ranges);
    if (quality > bestQuality) {
      best = offer;
      bestQuality = quality;
    }
  }
  return best;
}

/** The quality that the most specific matching range gives. */
function qualityOf(offer: string, ranges: readonly Range[]): number {
  const [type, subtype] = offer.split("/");
  let quality = 0;
  let specificity = -1;
  for (const range of ranges) {
    const level =
      range.type === "*"
        ? 0
        : range.type !== type
          ? -1
          : range.subtype === "*"
            ? 1
            : range.subtype === subtype
              ? 2
              : -1;
    if (level > specificity || (level >= 0 && level === specificity && range.quality > quality)) {
      specificity = level;
      quality = range.quality;
    }
  }
  return quality;
}

function parseRange(text: string): Range | undefined {
  const [range = "", ...parameters] = text.split(";");
  const match = /^\s*([\w!#$&^.+*-]+)\/([\w!#$&^.+*-]+)\s*$/.exec(range);
  // RFC 9110 12.5.1: only both may be any.
  if (match === null || (match[1] === "*" && match[2] !== "*")) return undefined;
  let quality = 1;
  for (const parameter of parameters) {
    const q = /^\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*$/i.exec(parameter);
    if (q !== null) quality = Number(q[1]);
  }
  return { type: (match[1] as string).toLowerCase(), subtype: (match[2] as string).toLowerCase(), quality };
}
