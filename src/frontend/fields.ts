/**
 * Header fields as they stand on the wire: name, value, name, value ..., names in lower case, in their order,
 * without pseudo-headers. Flat, because most requests look at two or three of them.
 */
export type Fields = readonly string[];

/** The first value of a field. */
export function field(fields: Fields, name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}

/** Every value of a field, in order. */
export function fieldValues(fields: Fields, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) values.push(fields[i + 1] as string);
  return values;
}

/** A field whose value is a list, however many lines it came in (RFC 9110 5.3); undefined when it did not come. */
export function listField(fields: Fields, name: string): string | undefined {
  let list: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === name) list = list === undefined ? fields[i + 1] : `${list},${fields[i + 1]}`;
  }
  return list;
}

/** Fields that are one connection's, or mean something to the next hop alone (RFC 9110 7.6.1, RFC 9113 8.2.2). */
export const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-authentication-info",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

const noOptions: readonly string[] = [];

/** What `connection` names, in lower case: the fields of that name are for this connection alone (RFC 9110 7.6.1). */
export function connectionOptions(fields: Fields): readonly string[] {
  if (field(fields, "connection") === undefined) return noOptions;
  return fieldValues(fields, "connection")
    .join()
    .toLowerCase()
    .split(/[\s,]+/);
}

/** Bytes that a field counts for: name, value and the overhead of RFC 9113 6.5.2. */
const overhead = 32;

/** The size of a field list as HTTP/2 counts it. */
export function fieldsSize(fields: Fields): number {
  let size = 0;
  for (let i = 0; i < fields.length; i += 2) {
    size += (fields[i] as string).length + (fields[i + 1] as string).length + overhead;
  }
  return size;
}
