import type { Code, Reason } from "#rpc";

/** An answer that the engine itself gives, before there is an exchange to refuse. */
export interface Refusal {
  readonly status: number;
  readonly code: Code;
  readonly message: string;
  readonly reason: Reason;
}

/** The body of a refusal: `google.rpc.Status` as JSON. */
export function refusalBody(refusal: Refusal): Buffer {
  return Buffer.from(JSON.stringify({ code: refusal.code, message: refusal.message, details: [] }));
}

/** The fields of a refusal. */
export function refusalFields(refusal: Refusal): string[] {
  return ["content-type", "application/json", "x-dragoman-reason", refusal.reason];
}

/** A refusal as raw http/1.1, for a socket on which nothing else can be written any more. */
export function rawRefusal(refusal: Refusal, statusText: string): Buffer {
  const body = refusalBody(refusal);
  const fields = refusalFields(refusal);
  let head = `HTTP/1.1 ${refusal.status} ${statusText}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return Buffer.concat([
    Buffer.from(`${head}content-length: ${body.length}\r\nconnection: close\r\n\r\n`),
    body,
  ]);
}
