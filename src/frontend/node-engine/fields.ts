import type { OutgoingHttpHeaders } from "node:http";
import type { Fields } from "../fields.ts";

/** What Node gives as raw headers, as fields: lower case, without pseudo-headers, cookie crumbs joined (RFC 9113 8.2.3). */
export function fieldsFromRaw(raw: readonly string[]): string[] {
  const fields: string[] = [];
  let cookie = -1;
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    const value = raw[i + 1] as string;
    if (name.charCodeAt(0) === 58) continue;
    if (name === "cookie") {
      if (cookie >= 0) {
        fields[cookie] = `${fields[cookie]}; ${value}`;
        continue;
      }
      cookie = fields.length + 1;
    }
    fields.push(name, value);
  }
  return fields;
}

/** Fields in the form that Node's `respond` and `writeHead` take; repeated names become lists. */
export function outgoing(fields: Fields): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.create(null);
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else headers[name] = [String(before), value];
  }
  return headers;
}
