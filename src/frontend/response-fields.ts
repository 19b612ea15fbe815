import type { Metadata } from "#rpc";
import { hopByHop } from "./fields.ts";

/** Fields that an upstream must not set on an HTTP answer: they are the gateway's, or those of a connection. */
const withheld: ReadonlySet<string> = new Set([
  ...hopByHop,
  "content-length",
  "content-type",
  "content-encoding",
  "date",
  "x-request-id",
  "x-dragoman-reason",
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-expose-headers",
]);

const name = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const value = /^[\x20-\x7e]*$/;

/** Longer ones are looked through by the platform. */
const short = 48;

function isLegal(text: string): boolean {
  const { length } = text;
  if (length > short) return value.test(text);
  for (let i = 0; i < length; i++) {
    const octet = text.charCodeAt(i);
    if (octet < 0x20 || octet > 0x7e) return false;
  }
  return true;
}

/** Names that were looked at already, and whether they are shown. */
const shownNames = new Map<string, boolean>();
const maxNames = 1000;

function judge(key: string): boolean {
  const shown = !withheld.has(key) && !key.startsWith("grpc-") && name.test(key);
  if (shownNames.size >= maxNames) shownNames.clear();
  shownNames.set(key, shown);
  return shown;
}

/** Names of the last metadata that are shown, by their places: answers have mostly the same names in the same order. */
const kept: string[] = [];
const mostKept = 64;

function isShown(key: string, place: number): boolean {
  if (kept[place] === key) return true;
  if (!(shownNames.get(key) ?? judge(key))) return false;
  if (place <= kept.length && place < mostKept) kept[place] = key;
  return true;
}

/** Appends response metadata to the fields of an HTTP answer, bare, less what is withheld. */
export function appendMetadata(fields: string[], metadata: Metadata): void {
  const { pairs } = metadata;
  for (let i = 0; i < pairs.length; i += 2) {
    const key = pairs[i] as string;
    const text = pairs[i + 1] as string;
    if (isShown(key, i >> 1) && isLegal(text)) fields.push(key, text);
  }
}
