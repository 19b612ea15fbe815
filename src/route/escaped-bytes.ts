/** The percent sign. */
export const percent = 37;

/** The value of a hexadecimal digit; 255 for any other byte. */
const digits = new Uint8Array(256).fill(255);
for (const [value, digit] of [..."0123456789abcdef"].entries()) {
  digits[digit.charCodeAt(0)] = value;
  digits[digit.toUpperCase().charCodeAt(0)] = value;
}

let scratch = Buffer.allocUnsafeSlow(16 * 1024);

/** The low bytes of the characters, in memory that the next call uses again: a loop over them is much quicker. */
export function bytesOf(text: string): Buffer {
  if (text.length > scratch.length) scratch = Buffer.allocUnsafeSlow(text.length);
  return scratch.subarray(0, scratch.write(text, "latin1"));
}

/** The byte that the escape at a percent sign stands for; -1 when it is none. */
export function escapedByte(bytes: Uint8Array, at: number): number {
  if (at + 2 >= bytes.length) return -1;
  const byte =
    ((digits[bytes[at + 1] as number] as number) << 4) | (digits[bytes[at + 2] as number] as number);
  return byte > 255 ? -1 : byte;
}
