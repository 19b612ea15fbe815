import net from "node:net";

/** So many leading bits of an address: of 32 in one word for IPv4, of 128 in eight for IPv6. */
interface Block {
  readonly words: readonly number[];
  readonly bits: number;
}

/**
 * Whether an address is in one of these; one of IPv4 is also what it is as IPv6 (RFC 4291 2.5.5.2). By comparing numbers, since it is asked for every request; `net.BlockList` makes
 * objects of each, which takes many times as long.
 *
 * @param blocks addresses and CIDR blocks, valid
 */
export function addressesIn(blocks: readonly string[]): (address: string) => boolean {
  const four: Block[] = [];
  const six: Block[] = [];
  for (const block of blocks) {
    const [address = "", prefix] = block.split("/");
    const words = wordsOf(address);
    if (words === undefined) continue;
    const isFour = words.length === 1;
    (isFour ? four : six).push({ words, bits: prefix === undefined ? (isFour ? 32 : 128) : Number(prefix) });
  }
  const isIn = (words: readonly number[], list: readonly Block[]): boolean => {
    for (const block of list) if (isWithin(words, block)) return true;
    return false;
  };
  return (address) => {
    if (four.length + six.length === 0) return false;
    const words = wordsOf(plainAddress(address));
    if (words === undefined) return false;
    const [word = 0] = words;
    if (words.length > 1) return isIn(words, six);
    if (isIn(words, four)) return true;
    return six.length > 0 && isIn([0, 0, 0, 0, 0, 0xffff, word >>> 16, word & 0xffff], six);
  };
}

/** An IPv4 address that came as IPv6 as what it is (RFC 4291 2.5.5.2). */
export function plainAddress(address: string): string {
  if (!address.startsWith("::") || !/^::ffff:/i.test(address)) return address;
  const rest = address.slice(7);
  if (net.isIPv4(rest)) return rest;
  const groups = /^([\da-f]{1,4}):([\da-f]{1,4})$/i.exec(rest);
  if (groups === null) return address;
  const [high = 0, low = 0] = groups.slice(1).map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

function isWithin(words: readonly number[], { words: base, bits }: Block): boolean {
  const width = words.length === 1 ? 32 : 16;
  let left = bits;
  for (let i = 0; left > 0; i++) {
    const spare = Math.max(0, width - left);
    // Shifts by the width of a number shift by nothing.
    if (((words[i] as number) ^ (base[i] as number)) >>> spare !== 0) return false;
    left -= width;
  }
  return true;
}

/** Undefined for what is no address, one with a zone included: that means something on one machine alone. */
function wordsOf(address: string): readonly number[] | undefined {
  if (!address.includes(":")) {
    const word = ipv4(address);
    return word === undefined ? undefined : [word];
  }
  return net.isIPv6(address) && !address.includes("%") ? ipv6(address) : undefined;
}

/** Four numbers from 0 to 255 without leading zeros, in one. */
function ipv4(text: string): number | undefined {
  let word = 0;
  let part = -1;
  let parts = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (part < 0 || parts === 4) return undefined;
      word = (word << 8) | part;
      part = -1;
      parts++;
    } else {
      const digit = code - 48;
      if (digit < 0 || digit > 9 || part === 0) return undefined;
      part = part < 0 ? digit : part * 10 + digit;
      if (part > 255) return undefined;
    }
  }
  return part < 0 || parts < 4 ? undefined : (word << 8) | part;
}

/** The eight numbers of a valid IPv6 address, `::` and a dotted end written out. */
function ipv6(address: string): number[] {
  const [head = [], tail] = address.split("::").map(numbersOf);
  if (tail === undefined) return head;
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function numbersOf(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const word = ipv4(group) ?? 0;
    return [word >>> 16, word & 0xffff];
  });
}
