import { memory as shared } from "./memory.ts";

const memory = shared;

/**
 * Reads decimal digits as an integer of 32 bits, which up to nine of them are; more give no number that means anything.
 * Leaves where they end in `memory.pos`.
 *
 * @param before what the digits before them stand for
 */
export function readDigits(pos: number, before: number): number {
  const { bytes } = memory;
  let value = before;
  let next = pos;
  for (let byte = bytes[next]!; byte >= 0x30 && byte <= 0x39; byte = bytes[++next]!)
    value = (Math.imul(value, 10) + (byte - 0x30)) | 0;
  memory.pos = next;
  return value;
}

/** So many digits are an integer of 32 bits for certain. */
export const fewDigits = 9;
