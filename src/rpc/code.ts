/** The canonical status codes of gRPC, by the names that `google/rpc/code.proto` gives them. */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type Code = (typeof Code)[keyof typeof Code];
export type CodeName = keyof typeof Code;

const names = Object.keys(Code) as CodeName[];

/** The name of a code, such as `NOT_FOUND`. */
export function codeName(code: Code): CodeName {
  return names[code] ?? "UNKNOWN";
}

/** A number from the wire as a code; what is not one of the seventeen becomes UNKNOWN, as the gRPC protocol says. */
export function codeFromNumber(value: number): Code {
  return Number.isInteger(value) && value >= 0 && value <= 16 ? (value as Code) : Code.UNKNOWN;
}

/** A code by its name, or undefined. */
export function codeFromName(name: string): Code | undefined {
  return Object.hasOwn(Code, name) ? Code[name as CodeName] : undefined;
}
