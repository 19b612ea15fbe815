/**
 * Bits of the code of each octet (RFC 7541 Appendix B). The code is canonical: codes of one length follow one another in the
 * order of the octets, and the shorter ones come first, so that the lengths say everything.
 */
// biome-ignore format: sixteen to the line
export const codeLengths: Uint8Array = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
);

/** The code of each octet, in its lowest bits. */
export const codes: Uint32Array = new Uint32Array(256);

/** Octets by length of their codes, then by value. */
export const octetsByCode: Uint8Array = new Uint8Array(256);

/** By length: the first code of that length, and how many octets have shorter ones. */
export const firstCode: Uint32Array = new Uint32Array(32);
export const shorter: Uint16Array = new Uint16Array(32);

let code = 0;
let count = 0;
for (let length = 1; length <= 30; length++) {
  code *= 2;
  firstCode[length] = code;
  shorter[length] = count;
  for (let octet = 0; octet < 256; octet++) {
    if (codeLengths[octet] !== length) continue;
    codes[octet] = code++;
    octetsByCode[count++] = octet;
  }
}
shorter[31] = count;
