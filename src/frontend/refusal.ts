import { STATUS_CODES } from "node:http";
import { type Code, codeName, type Reason } from "#rpc";
import type { CompleteFields } from "./complete-fields.ts";
import { type Fields, listField } from "./fields.ts";

/** An answer that the engine itself gives, before there is an exchange to refuse. */
export interface Refusal {
  readonly status: number;
  readonly code: Code;
  readonly message: string;
  readonly reason: Reason;
}

/** What a refusal looks like: RFC 9457 for those who accept `application/problem+json`, else `google.rpc.Status` as JSON. */
export interface RefusalAnswer {
  readonly fields: string[];
  readonly body: Buffer;
}

/** @param asked the fields of the request, as far as they are known */
export function refusalAnswer({ status, code, message, reason }: Refusal, asked: Fields): RefusalAnswer {
  const isProblem = listField(asked, "accept")?.includes("application/problem+json") === true;
  const problem = { type: `urn:dragoman:error:${reason}`, title: codeName(code), status, detail: message };
  const body = JSON.stringify({ ...(isProblem ? problem : {}), code, message, details: [] });
  const contentType = isProblem ? "application/problem+json" : "application/json";
  return { fields: ["content-type", contentType, "x-dragoman-reason", reason], body: Buffer.from(body) };
}

/** A refusal as raw http/1.1, for a socket on which nothing else can be written any more. */
export function rawRefusal(refusal: Refusal, complete: CompleteFields, asked: Fields = []): Buffer {
  const { fields, body } = refusalAnswer(refusal, asked);
  return rawAnswer(refusal.status, complete(fields), body);
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
