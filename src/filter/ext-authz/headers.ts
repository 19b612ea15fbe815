import type { Call } from "#rpc";
import { type HeaderChange, NoDecision, type Pair } from "./decision.ts";

/** Fields of one connection (RFC 9110 7.6.1), of the HTTP message, and those by which the gateway says who calls. */
const untouchable: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "host",
  "content-length",
  "content-type",
  "content-encoding",
  "expect",
  "forwarded",
  "x-real-ip",
  "x-request-id",
]);
const untouchablePrefixes = ["grpc-", "x-forwarded-", "x-dragoman-", "sec-websocket-"];

/** Which leaves out the pseudo-fields of HTTP/2. */
const nameGrammar = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const valueGrammar = /^[\x20-\x7e]*$/;
const binaryGrammar = /^[A-Za-z0-9+/_-]*={0,2}$/;
const longestValue = 8 * 1024;
const mostChanges = 64;

/** Whether an authorization service may change a header. */
export function isChangeable(name: string): boolean {
  return (
    nameGrammar.test(name) &&
    !untouchable.has(name) &&
    !untouchablePrefixes.some((prefix) => name.startsWith(prefix))
  );
}

function isValue(name: string, value: string): boolean {
  if (value.length > longestValue) return false;
  return (name.endsWith("-bin") ? binaryGrammar : valueGrammar).test(value);
}

/**
 * The changes of an answer, names in lower case. To remove what may not be changed is left out; to set it makes the
 * answer none. @throws NoDecision
 */
export function checkedChanges(changes: readonly HeaderChange[]): HeaderChange[] {
  if (changes.length > mostChanges) throw refused("too many headers");
  return changes.flatMap((change) => {
    const name = change.name.toLowerCase();
    if (change.kind === "remove") return isChangeable(name) ? [{ ...change, name }] : [];
    if (!isChangeable(name))
      throw refused(`the header ${JSON.stringify(name.slice(0, 64))} is not to be changed`);
    if (!isValue(name, change.value)) throw refused(`the value of ${name} is no value of a header`);
    return [{ ...change, name }];
  });
}

/** What of an answer's headers may be shown to the caller. A header that may not is left out: it decides nothing. */
export function shownHeaders(headers: readonly Pair[]): Pair[] {
  return headers
    .map(([name, value]): Pair => [name.toLowerCase(), value])
    .filter(([name, value]) => isChangeable(name) && isValue(name, value))
    .slice(0, mostChanges);
}

export function applyChanges({ header }: Call, changes: readonly HeaderChange[]): void {
  for (const { kind, name, value } of changes) {
    switch (kind) {
      case "remove":
        header.delete(name);
        break;
      case "append":
        header.append(name, value);
        break;
      case "set":
        header.set(name, value);
        break;
      case "add if absent":
        if (!header.has(name)) header.append(name, value);
        break;
      case "set if present":
        if (header.has(name)) header.set(name, value);
        break;
    }
  }
}

function refused(message: string): NoDecision {
  return new NoDecision(`the answer cannot be heeded: ${message}`, { answered: true });
}
