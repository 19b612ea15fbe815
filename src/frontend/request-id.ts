import { randomBytes } from "node:crypto";

const prefix = randomBytes(8).toString("hex");
let count = 0;

/** Unique across processes by a random prefix, and across calls by a counter: no random bytes per request. */
export function nextRequestId(): string {
  count = (count + 1) % Number.MAX_SAFE_INTEGER;
  return `${prefix}-${count.toString(36)}`;
}

/** Whether an id that a trusted peer gave may be taken over. */
export function isRequestId(text: string): boolean {
  return /^[\w.:+/=-]{1,128}$/.test(text);
}
