import type { Metadata } from "#rpc";
import { cookieNames, cookieValue, dropCookie, setCookie } from "./cookies.ts";

/** Characters of a value: browsers take 4096 of name and value together, attributes apart. */
const maxValue = 3800;
const maxCookies = 4;

/**
 * What is sealed of a session, spread over as many cookies as it takes: the first says how many these are. Undefined
 * where there is none, or not all of it.
 */
export function readSessionCookies(header: Metadata, name: string): string | undefined {
  const first = cookieValue(header, name);
  const [, digit = "", start = ""] = /^([1-4])\.([\w-]+)$/.exec(first ?? "") ?? [];
  const parts = [start];
  for (let i = 1; i < Number(digit); i++) {
    const part = cookieValue(header, `${name}.${i}`);
    if (part === undefined || !/^[\w-]+$/.test(part)) return undefined;
    parts.push(part);
  }
  return start === "" ? undefined : parts.join("");
}

/**
 * The fields that set a session, and drop what is left over of one that was longer. Undefined for one that is too long
 * for browsers to keep.
 *
 * @param header that of the request
 */
export function sessionCookies(
  header: Metadata,
  name: string,
  sealed: string,
  maxAgeMs: number,
): string[] | undefined {
  const parts = sealed.match(new RegExp(`.{1,${maxValue}}`, "g")) ?? [];
  if (parts.length > maxCookies) return undefined;
  const names = parts.map((_, i) => (i === 0 ? name : `${name}.${i}`));
  return [
    ...parts.map((part, i) =>
      setCookie(names[i] as string, i === 0 ? `${parts.length}.${part}` : part, maxAgeMs),
    ),
    ...leftOver(header, name)
      .filter((each) => !names.includes(each))
      .map(dropCookie),
  ];
}

/** The fields that drop a session. */
export function noSessionCookies(header: Metadata, name: string): string[] {
  return [...new Set([name, ...leftOver(header, name)])].map(dropCookie);
}

function leftOver(header: Metadata, name: string): string[] {
  return cookieNames(header, name).filter((each) => /^(?:\.\d)?$/.test(each.slice(name.length)));
}
