import { STATUS_CODES } from "node:http";
import type { Code, Reason } from "#rpc";
import type { Fields } from "./fields.ts";

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
export function rawRefusal(refusal: Refusal, always: Fields): Buffer {
  return rawAnswer(refusal.status, [...refusalFields(refusal), ...always], refusalBody(refusal));
}

/** A whole answer as raw http/1.1, the last on its connection. */
export function rawAnswer(status: number, fields: Fields, body: Uint8Array): Buffer {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return Buffer.concat([
    Buffer.from(`${head}content-length: ${body.length}\r\nconnection: close\r\n\r\n`),
    body,
  ]);
}
