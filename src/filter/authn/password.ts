import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** What is kept of a password: scrypt (RFC 7914) of it, with a salt and what it costs to compute. */
export interface PasswordHash {
  /** The logarithm of N, to 2. */
  readonly logN: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** 32 MiB and about a tenth of a second. */
const usual = { logN: 15, r: 8, p: 3 };
const hashBytes = 32;
const minSaltBytes = 16;
/** Of memory, which also bounds the time: 16 to 256 MiB. */
const minMemory = 2 ** 24;
const maxMemory = 2 ** 28;
const maxPasswordBytes = 1024;

const form =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{1,128})\$([A-Za-z0-9+/]{1,128})$/;

/**
 * Reads `$scrypt$ln=15,r=8,p=3$SALT$HASH`, both in base64 without padding (the PHC string format). Undefined for what is
 * none, is too weak to keep, or costs too much to check.
 */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, ln = "", r = "", p = "", salt = "", hash = ""] = match;
  const parsed = {
    logN: Number(ln),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64"),
  };
  const memory = memoryOf(parsed);
  const good =
    memory >= minMemory &&
    memory <= maxMemory &&
    parsed.p >= 1 &&
    parsed.p * memory <= maxMemory * 2 &&
    parsed.salt.length >= minSaltBytes &&
    parsed.hash.length === hashBytes;
  return good ? parsed : undefined;
}

/** What to keep of a password, as text. @throws RangeError for one that is empty, too long, or has control characters */
export async function hashPassword(password: string): Promise<string> {
  if (!isPassword(password)) throw new RangeError("a password has 1 to 1024 bytes and no control characters");
  const salt = randomBytes(minSaltBytes);
  const hash = await derive(password, { ...usual, salt });
  const text = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
  return `$scrypt$ln=${usual.logN},r=${usual.r},p=${usual.p}$${text(salt)}$${text(hash)}`;
}

/** Takes the same time for a wrong password as for the right one. */
export async function matchesPassword(password: string, kept: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, kept), kept.hash);
}

/** What checking a password costs, to compare. */
export function costOf(kept: Pick<PasswordHash, "logN" | "r" | "p">): number {
  return memoryOf(kept) * kept.p;
}

/** A password as RFC 7617 2 has it: no control characters. */
export function isPassword(text: string): boolean {
  const bytes = Buffer.byteLength(text);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  return bytes > 0 && bytes <= maxPasswordBytes && !/[\x00-\x1f\x7f]/.test(text);
}

function memoryOf({ logN, r }: Pick<PasswordHash, "logN" | "r">): number {
  return 128 * 2 ** logN * r;
}

/** Typed on whichever keyboard, the same password is the same text (RFC 8265 4.2). */
function derive(
  password: string,
  { logN, r, p, salt }: Pick<PasswordHash, "logN" | "r" | "p" | "salt">,
): Promise<Buffer> {
  const options = { N: 2 ** logN, r, p, maxmem: 2 * maxMemory };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFC"), salt, hashBytes, options, (error, derived) =>
      error === null ? resolve(derived) : reject(error),
    );
  });
}
