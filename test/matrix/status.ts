import { delimited, fieldsOf, fromWire, type Step, stepType, toWire, varint } from "./step.ts";

/** `google.rpc.Status` as the clients of the matrix see it; its details are messages of the matrix. */
export interface Status {
  readonly code: number;
  readonly message: string;
  readonly details: readonly Step[];
}

const typeUrl = `type.googleapis.com/${stepType}`;

export function statusToWire({ code, message, details }: Status): Buffer {
  const anys = details.map((detail) =>
    delimited(3, Buffer.concat([delimited(1, Buffer.from(typeUrl)), delimited(2, toWire(detail))])),
  );
  return Buffer.concat([Buffer.from([0x08]), varint(code), delimited(2, Buffer.from(message)), ...anys]);
}

/** The details of a `google.rpc.Status` on the wire that are messages of the matrix. */
export function detailsFromWire(bytes: Uint8Array): Step[] {
  const details: Step[] = [];
  for (const { number, value } of fieldsOf(bytes)) {
    if (number !== 3 || typeof value === "number") continue;
    const any = new Map(fieldsOf(value).map((field) => [field.number, field.value]));
    const packed = any.get(2) ?? Buffer.alloc(0);
    if (String(any.get(1)) === typeUrl && typeof packed !== "number") details.push(fromWire(packed));
  }
  return details;
}

/** The names of the codes in the Connect protocol, in the order of their numbers, from 1. */
export const connectCodes: readonly string[] = [
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];
