import { type DescField, ScalarType } from "@bufbuild/protobuf";

const booleans: ReadonlyMap<string, string> = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, "true"] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, "false"] as const),
]);

const integers: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT32,
  ScalarType.INT64,
  ScalarType.UINT32,
  ScalarType.UINT64,
  ScalarType.SINT32,
  ScalarType.SINT64,
  ScalarType.FIXED32,
  ScalarType.FIXED64,
  ScalarType.SFIXED32,
  ScalarType.SFIXED64,
]);

/**
 * A value as ProtoJSON writes it, from what Go's `strconv` and `time` read besides; the text as it is when they do not
 * read it either. Integers take a base by their prefix only in paths, as grpc-gateway does.
 */
export function fromGoValue(field: DescField, text: string, inPath: boolean): string {
  const type = field.message?.typeName ?? "";
  const scalar = field.scalar ?? wrapped(field);
  if (scalar === ScalarType.BOOL) return booleans.get(text) ?? text;
  if (scalar === ScalarType.FLOAT || scalar === ScalarType.DOUBLE) return float(text);
  if (scalar !== undefined && integers.has(scalar)) return integer(text, inPath);
  if (type === "google.protobuf.Duration") return duration(text);
  if (type === "google.protobuf.FieldMask") return mask(text);
  return text;
}

function wrapped({ message }: DescField): ScalarType | undefined {
  const [value] = message?.fields ?? [];
  return message?.typeName.startsWith("google.protobuf.") === true && message.typeName.endsWith("Value")
    ? value?.scalar
    : undefined;
}

function float(text: string): string {
  const sign = text.startsWith("-") ? "-" : "";
  const rest = text.replace(/^[+-]/, "").toLowerCase();
  if (rest === "inf" || rest === "infinity") return `${sign}Infinity`;
  if (rest === "nan") return "NaN";
  if (!/^(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/.test(rest)) return text;
  const [mantissa = "", exponent] = rest.split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const digits = `${whole.replace(/^0+(?=\d)/, "") || "0"}${fraction === "" ? "" : `.${fraction}`}`;
  return `${sign}${digits}${exponent === undefined ? "" : `e${exponent}`}`;
}

function integer(text: string, inPath: boolean): string {
  const match = /^([+-]?)(.+)$/s.exec(text);
  if (match === null) return text;
  const sign = match[1] === "-" ? "-" : "";
  const digits = match[2] as string;
  if (/^\d+$/.test(digits) && !(inPath && /^0\d/.test(digits))) return `${sign}${digits}`;
  if (!inPath) return text;
  if (/^0[xX][\da-fA-F]+$|^0[bB][01]+$|^0[oO][0-7]+$/.test(digits))
    return `${sign}${BigInt(digits.toLowerCase())}`;
  if (/^0[0-7]+$/.test(digits)) return `${sign}${BigInt(`0o${digits.slice(1)}`)}`;
  return text;
}

const unitNanos: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** `1h30m`, `-1.5s`, as `time.ParseDuration` reads them. */
function duration(text: string): string {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|μs|ms|s|m|h))+|0)$/.exec(text);
  if (match === null) return text;
  let nanos = 0n;
  for (const [, whole = "", fraction = "", unit = ""] of (match[2] as string).matchAll(
    /(\d+)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g,
  )) {
    const size = unitNanos[unit] ?? 0n;
    nanos += BigInt(whole) * size;
    if (fraction !== "") nanos += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
  }
  const rest = (nanos % 1_000_000_000n).toString().padStart(9, "0");
  return `${match[1] === "-" ? "-" : ""}${nanos / 1_000_000_000n}.${rest}s`;
}

/** Proto names as ProtoJSON writes them; what is not a proto name stays as it is. */
function mask(text: string): string {
  return text
    .split(",")
    .filter((path) => path !== "")
    .map((path) => path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()))
    .join(",");
}
