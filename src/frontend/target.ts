/** The path of a request target, without its query. */
export function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** The query of a request target, without the question mark; empty when there is none. */
export function queryOf(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? "" : target.slice(query + 1);
}

/** As nearly all bodies are announced that are not gRPC's. */
const json = "application/json";

/** The media type of a content-type, lower case, without parameters. */
export function mediaType(contentType: string): string {
  if (contentType === json) return json;
  const end = contentType.indexOf(";");
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}
